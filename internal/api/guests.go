package api

import (
	"net/http"
	"net/netip"
	"sync"

	"feedd/internal/access"
	"feedd/internal/problem"
	"feedd/internal/selector"

	"feedd/internal/stream"
)

// guests counts the subscribers, streams and waiting pages, in all and by the
// address that they come from.
type guests struct {
	server *Server

	mu     sync.Mutex // guards the rest
	total  int
	byAddr map[netip.Addr]*guest
}

// guest is the subscribers from one address.
type guest struct {
	addr  netip.Addr
	count int
	// left takes one of them out. They share it.
	left func(fanout.End)
}

// ownPlaces is how many places there are beyond the limits for readers of
// feedd's own feeds: who wants to know why all others are taken must not have to
// wait for one.
const ownPlaces = 16

// admit counts a subscriber of a hub in, and charges it for what it selects, or
// says why it cannot be. Keeps says that a goroutine will keep its request.
// Whoever is in leaves by guest.left.
func (s *Server) admit(r *http.Request, hub *stream.Hub, sel selector.Selection, keeps bool) (*guest, *problem.Problem) {
	if s.draining() {
		return nil, &problem.Draining
	}
	request := int64(0)
	if keeps {
		request = requestSize(r)
	}
	giveBack, ok := s.selections.charge(access.Address(r), sel, request)
	if !ok {
		return nil, s.tooDear(sel)
	}
	g, p := s.place(r, hub)
	switch {
	case giveBack == nil:
		return g, p
	case p != nil:
		giveBack()
		return nil, p
	}
	return &guest{left: func(end fanout.End) {
		giveBack()
		g.left(end)
	}}, nil
}

// tooDear says that there is no room for a selection.
func (s *Server) tooDear(sel selector.Selection) *problem.Problem {
	b := s.selections.budget
	limit := "max_selection_bytes_per_ip"
	if total := b.Total(); total > 0 && b.Used()+sel.Cost() > total {
		limit = "max_selection_bytes"
	}
	return problem.SelectionsFull.Hit(limit).With("this one takes %d bytes, more than is left of %s; fewer or shorter terms take less", sel.Cost(), limit)
}

// place counts a subscriber of a hub in.
func (s *Server) place(r *http.Request, hub *stream.Hub) (*guest, *problem.Problem) {
	spare := 0
	if hub == s.Own {
		spare = ownPlaces
	}
	addr := access.Address(r)
	gs := &s.guests
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if gs.total >= s.MaxSubscribers+spare {
		return nil, problem.TooManySubscribers.Hit("max_subscribers").With("%d are connected", gs.total)
	}
	g := gs.byAddr[addr]
	if g == nil {
		g = &guest{addr: addr}
		g.left = func(end fanout.End) { gs.leave(g, end) }
		if gs.byAddr == nil {
			gs.byAddr = make(map[netip.Addr]*guest)
		}
		gs.byAddr[addr] = g
	}
	if most := s.MaxSubscribersPerIP; most > 0 && addr.IsValid() && g.count >= most+spare {
		return nil, problem.TooManySubscribers.Hit("max_subscribers_per_ip").With("%d are connected from your address", g.count)
	}
	g.count++
	gs.total++
	return g, nil
}

func (gs *guests) leave(g *guest, end fanout.End) {
	if end == fanout.EndStalled { // first: whoever finds that one is gone finds that it was cut
		gs.server.metrics.stalled.Inc()
		gs.server.problems.CountLimit("stall_timeout", 1)
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.total--
	if g.count--; g.count == 0 {
		delete(gs.byAddr, g.addr)
	}
}

// Subscribers returns how many there are: streams and waiting pages.
func (s *Server) Subscribers() int {
	s.guests.mu.Lock()
	defer s.guests.mu.Unlock()
	return s.guests.total
}
