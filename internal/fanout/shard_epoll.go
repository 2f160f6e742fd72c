//go:build linux && !portable

package fanout

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"feedd/internal/stream"
)

// shard owns a part of the members. One goroutine does everything here; other
// goroutines put what they want into the inbox.
type shard struct {
	all   *Shards
	epoll *epoll
	kick  chan struct{} // something is in the inbox
	ended chan struct{} // the goroutine has ended

	// mu guards the inbox, and group.came.
	mu sync.Mutex
	in inbox

	// The shard's goroutine owns the fields below.
	slots  []slot
	free   []uint32 // slots without a member
	groups map[groupKey]*group
	passes []*group // that are under way, in turn

	batches   batches
	delivered uint64 // that the tally does not have yet
	sample    int    // deliveries since the slice began
	scratch   []byte // for what peers send

	returns returns
	sweep   sweep

	drained  bool  // all members that no worker has were told to go
	stopping bool  // Close was called
	other    inbox // the second inbox; the two take turns at being filled
}

// slot is a place for a member, which an event names.
type slot struct {
	m   *member
	gen uint32 // how often it was filled
}

// inbox is what other goroutines want of a shard.
type inbox struct {
	touched    []*group  // items came that they select
	new        []*member // from Adopt
	handedBack []*member // that a worker had
	timedOut   []*member // long polls whose wait has ended
	events     []event
	crowded    int // how many resting connections must be closed
	asked      []func(now time.Duration)
	stop       bool
}

func newShard(all *Shards) (*shard, error) {
	p, err := newEpoll()
	if err != nil {
		return nil, err
	}
	return &shard{
		all: all, epoll: p, kick: make(chan struct{}, 1), ended: make(chan struct{}),
		groups:  make(map[groupKey]*group),
		scratch: make([]byte, MaxInbound),
	}, nil
}

// put changes the inbox, and wakes the shard.
func (s *shard) put(fn func(in *inbox)) {
	s.mu.Lock()
	fn(&s.in)
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// join takes a new member, unless the shard was stopped.
func (s *shard) join(m *member) (ok bool) {
	s.put(func(in *inbox) {
		if ok = !in.stop; ok {
			in.new = append(in.new, m)
		}
	})
	return ok
}

// handBack takes a member from a worker.
func (s *shard) handBack(m *member) {
	s.put(func(in *inbox) { in.handedBack = append(in.handedBack, m) })
}

// report puts events into the inbox.
func (s *shard) report(events []unix.EpollEvent) {
	s.put(func(in *inbox) {
		for i := range events {
			e := &events[i]
			in.events = append(in.events, event{slot: uint32(e.Fd), gen: uint32(e.Pad), kind: e.Events})
		}
	})
}

// noteItems notes that items came for a group; first is at or below the id of
// the first of them. Each commit calls it, so it makes no closure, and adds
// nothing if the group is in the inbox already.
func (s *shard) noteItems(g *group, first stream.ID) {
	s.mu.Lock()
	if g.came == 0 {
		s.in.touched = append(s.in.touched, g)
		g.came = first
	}
	g.came = min(g.came, first)
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (s *shard) stop() { s.put(func(in *inbox) { in.stop = true }) }

// run is the shard's goroutine.
func (s *shard) run() {
	defer close(s.ended)
	defer s.epoll.close()
	tick := time.NewTicker(s.sweepEvery())
	defer tick.Stop()
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		var busy <-chan struct{}
		if len(s.passes) > 0 || s.sweep.running || s.returns.due() {
			// A publisher may be waiting for this processor.
			runtime.Gosched()
			busy = always
		} else if s.returns.holding {
			again.Reset(holdStep)
		}
		select {
		case <-s.kick:
		case <-tick.C:
			s.sweep.start()
		case <-s.drain():
			s.drained = true
			s.sweep.restart()
		case <-again.C:
		case <-busy:
		}
		now := s.all.now()
		s.take(now)
		s.pass(now)
		s.tellPassing()
		s.returnSome(now)
		s.sweepSome(now)
		s.batches.forget()
		s.count()
		if s.stopping && s.empty() {
			return
		}
	}
}

// always is ready.
var always = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// drain is ready once the members must be told to go.
func (s *shard) drain() <-chan struct{} {
	if s.drained {
		return nil
	}
	return s.all.hub.Draining()
}

// count adds what this shard did to the tally of all.
func (s *shard) count() {
	if s.delivered > 0 {
		s.all.tally.delivered.Add(s.delivered)
		s.delivered = 0
	}
}

// empty reports whether there is no member, and none will join.
func (s *shard) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.free) == len(s.slots) && len(s.in.new) == 0
}

// take does what is in the inbox.
func (s *shard) take(now time.Duration) {
	s.mu.Lock()
	in := s.in
	s.in, s.other = s.other, in
	s.in.stop = in.stop
	for _, g := range in.touched {
		s.touch(g, g.came)
		g.came = 0
	}
	s.mu.Unlock()

	for _, e := range in.events {
		if sl := &s.slots[e.slot]; sl.m != nil && sl.gen == e.gen {
			s.onEvent(sl.m, e.kind)
		}
	}
	s.inTurns(in.timedOut, now, s.onTimeout)
	s.closeResting(in.crowded)
	s.inTurns(in.handedBack, now, s.settle)
	s.inTurns(in.new, now, s.enter)
	// A question is also about members that joined before it.
	for _, fn := range in.asked {
		fn(now)
	}
	if in.stop && !s.stopping {
		s.stopping = true
		for i := range s.slots {
			if m := s.slots[i].m; m != nil && m.state != catchingUp {
				s.dismiss(m, now)
			}
		}
	}
	s.other = inbox{
		touched: emptied(in.touched), new: emptied(in.new), handedBack: emptied(in.handedBack),
		timedOut: emptied(in.timedOut), events: emptied(in.events),
	}
}

// inTurns calls fn for members, which may be many. After each slice of them
// live items have their turn.
func (s *shard) inTurns(members []*member, now time.Duration, fn func(*member, time.Duration)) {
	for i, m := range members {
		fn(m, now)
		if i%sliceMembers == sliceMembers-1 {
			s.pass(now)
		}
	}
}

// emptied empties a list, so that it can be filled again. A long one (8 KiB of
// pointers) is given up, because the memory of a storm must not stay.
func emptied[T any](list []T) []T {
	if cap(list) > 1024 {
		return nil
	}
	clear(list)
	return list[:0]
}
