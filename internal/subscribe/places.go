package subscribe

import (
	"net/http"
	"net/netip"
	"sync"

	"feedd/internal/access"
	"feedd/internal/fanout"
	"feedd/internal/problem"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

// ownPlaces is how many places there are beyond the limits for readers of
// feedd's own feeds: an administrator who wants to know why all others are
// taken must not have to wait for one. Sixteen are enough for four
// administrators with four tabs each.
const ownPlaces = 16

// places count the subscribers, streams and long polls, in all and by the address
// that they come from.
type places struct {
	own    *stream.Hub // of feedd's own feeds
	most   int
	perIP  int    // 0: no bound
	stalls func() // called for each subscriber that was cut because it stalled

	mu     sync.Mutex // guards the rest
	total  int
	byAddr map[netip.Addr]*place
}

// place counts the subscribers from one address.
type place struct {
	addr  netip.Addr
	count int
	// onEnd takes one of them out. They share it.
	onEnd func(fanout.End)
}

// Admit gives a subscriber of a hub a place and charges it for what it selects,
// or says why it is refused. keeps says that a goroutine will keep its request.
// The caller calls onEnd once, which gives the place back.
func (rs *Readers) Admit(r *http.Request, hub *stream.Hub, sel selector.Selection, keeps bool) (onEnd func(fanout.End), refused *problem.Problem) {
	if rs.hub.Stopping() {
		return nil, &problem.Draining
	}
	request := int64(0)
	if keeps {
		request = requestSize(r)
	}
	addr := access.Address(r)
	giveBack, refused := rs.selections.charge(addr, sel, request)
	if refused != nil {
		return nil, refused
	}
	leave, refused := rs.places.take(addr, hub)
	switch {
	case giveBack == nil:
		return leave, refused
	case refused != nil:
		giveBack()
		return nil, refused
	}
	return func(end fanout.End) {
		giveBack()
		leave(end)
	}, nil
}

// take gives a subscriber of a hub a place.
func (ps *places) take(addr netip.Addr, hub *stream.Hub) (leave func(fanout.End), refused *problem.Problem) {
	spare := 0
	if hub == ps.own {
		spare = ownPlaces
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.total >= ps.most+spare {
		return nil, problem.TooManySubscribers.Hit("max_subscribers").With("%d are connected", ps.total)
	}
	p := ps.byAddr[addr]
	if p == nil {
		p = &place{addr: addr}
		p.onEnd = func(end fanout.End) { ps.leave(p, end) }
		ps.byAddr[addr] = p
	}
	if ps.perIP > 0 && addr.IsValid() && p.count >= ps.perIP+spare {
		return nil, problem.TooManySubscribers.Hit("max_subscribers_per_ip").With("%d are connected from your address", p.count)
	}
	p.count++
	ps.total++
	return p.onEnd, nil
}

func (ps *places) leave(p *place, end fanout.End) {
	if end == fanout.EndStalled { // first: a reader of the metrics that finds it gone finds that it was cut
		ps.stalls()
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.total--
	if p.count--; p.count == 0 {
		delete(ps.byAddr, p.addr)
	}
}

// Count returns how many subscribers there are: streams and long polls.
func (rs *Readers) Count() int {
	rs.places.mu.Lock()
	defer rs.places.mu.Unlock()
	return rs.places.total
}
