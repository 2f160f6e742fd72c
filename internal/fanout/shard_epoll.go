//go:build linux && !portable

package fanout

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"feedd/internal/stream"
)

// shard is the owner of a share of the subscribers. One goroutine does
// everything here; others leave a word in the inbox.
type shard struct {
	all  *Shards
	poll *poller
	kick chan struct{} // something is in the inbox

	ended chan struct{} // the goroutine has ended

	// mu guards the inbox, and group.came.
	mu sync.Mutex
	in inbox

	// What follows is the goroutine's own.
	slots   []slot
	free    []uint32
	groups  map[groupKey]*group
	passes  []*group      // that are under way, in turn
	leaving []*member     // connections that are given back
	gave    time.Duration // when some were, or leaving began to fill
	holds   bool          // they wait for passes
	passing bool          // all.passing counts this shard

	sweeping bool // over all members, for heartbeats and stalled peers
	swept    int  // slots[:swept] had their turn
	drained  bool // told to go: everybody who is not a worker's
	stopping bool

	batches   batches
	other     inbox // the one of two that is not filled
	scratch   []byte
	delivered uint64 // that the tally does not have yet
	sample    int    // deliveries since the slice began
}

// slot is a place for a member, which an event names.
type slot struct {
	m   *member
	gen uint32
}

// inbox is what others want of a shard.
type inbox struct {
	touched []*group
	new     []*member // that nobody has
	back    []*member // that a worker had
	events  []event
	over    []*member // polls whose wait has ended
	crowded int       // so many connections that rest shall go
	asked   []func(now time.Duration)
	stop    bool
}

func newShard(all *Shards) (*shard, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &shard{
		all: all, poll: p, kick: make(chan struct{}, 1), ended: make(chan struct{}),
		groups:  make(map[groupKey]*group),
		scratch: make([]byte, MaxInbound),
	}, nil
}

// put leaves something in the inbox.
func (s *shard) put(fn func(in *inbox)) {
	s.mu.Lock()
	fn(&s.in)
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// come takes a new subscriber, unless the shard was stopped.
func (s *shard) come(m *member) (ok bool) {
	s.put(func(in *inbox) {
		if ok = !in.stop; ok {
			in.new = append(in.new, m)
		}
	})
	return ok
}

// back takes a subscriber from a worker.
func (s *shard) back(m *member) {
	s.put(func(in *inbox) { in.back = append(in.back, m) })
}

func (s *shard) stop() { s.put(func(in *inbox) { in.stop = true }) }

// report takes events.
func (s *shard) report(events []unix.EpollEvent) {
	s.put(func(in *inbox) {
		for i := range events {
			e := &events[i]
			in.events = append(in.events, event{slot: uint32(e.Fd), gen: uint32(e.Pad), kind: e.Events})
		}
	})
}

// run is the shard's goroutine.
func (s *shard) run() {
	defer close(s.ended)
	defer s.poll.close()
	tick := time.NewTicker(s.tick())
	defer tick.Stop()
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		var busy <-chan struct{}
		if len(s.passes) > 0 || s.sweeping || len(s.leaving) > 0 && !s.holds {
			// Whoever publishes may be waiting for this processor.
			runtime.Gosched()
			busy = always
		} else if s.holds {
			again.Reset(holdStep)
		}
		select {
		case <-s.kick:
		case <-tick.C:
			if !s.sweeping {
				s.sweeping, s.swept = true, 0
			}
		case <-s.drain():
			s.drained, s.sweeping, s.swept = true, true, 0
		case <-again.C:
		case <-busy:
		}
		now := s.all.now()
		s.take(now)
		s.pass(now)
		s.tellPassing()
		s.giveBack(now)
		s.sweep(now)
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

// drain is ready once the members shall be told to go.
func (s *shard) drain() <-chan struct{} {
	if s.drained {
		return nil
	}
	return s.all.hub.Draining()
}

// count adds to what all shards did.
func (s *shard) count() {
	if s.delivered > 0 {
		s.all.tally.delivered.Add(s.delivered)
		s.delivered = 0
	}
}

// empty reports whether nobody is left, nor will come.
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
			s.happened(sl.m, e.kind)
		}
	}
	// After a slice of these, live items have their turn.
	for i, m := range in.over {
		s.timeOut(m, now)
		if i%sliceMembers == sliceMembers-1 {
			s.pass(now)
		}
	}
	s.closeResting(in.crowded)
	// After a slice of these too.
	for i, m := range in.back {
		s.settle(m, now)
		if i%sliceMembers == sliceMembers-1 {
			s.pass(now)
		}
	}
	for i, m := range in.new {
		s.enter(m, now)
		if i%sliceMembers == sliceMembers-1 {
			s.pass(now)
		}
	}
	// Who asks also means those that came before.
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
		touched: reuse(in.touched), new: reuse(in.new), back: reuse(in.back), events: reuse(in.events),
		over: reuse(in.over),
	}
}

// reuse empties a list, to be filled again. A long one is given back: a storm
// must not leave its traces.
func reuse[T any](list []T) []T {
	if cap(list) > 1024 {
		return nil
	}
	clear(list)
	return list[:0]
}

// happened does what an event asks for.
func (s *shard) happened(m *member, kind uint32) {
	if m.poll != nil {
		s.happenedTo(m, kind)
		return
	}
	gone := kind&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	if !gone && kind&unix.EPOLLIN != 0 {
		gone = !m.discard(s.scratch)
	}
	switch {
	case gone && m.state == catchingUp:
		m.gone = true
	case gone:
		s.end(m, EndGone)
	case kind&unix.EPOLLOUT == 0:
	case m.state == catchingUp:
		m.room = true
	case m.state == blocked:
		s.catchUp(m)
	}
}

// enter makes a new subscriber a member.
func (s *shard) enter(m *member, now time.Duration) {
	if len(s.free) == 0 {
		s.slots = append(s.slots, slot{})
		s.free = append(s.free, uint32(len(s.slots)-1))
	}
	m.slot = s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	sl := &s.slots[m.slot]
	sl.m, m.gen = m, sl.gen
	g := s.groupOf(m)
	g.members++
	g.waiter.AddReaders(1)
	m.group = g
	m.state = catchingUp // nobody's yet
	s.await(m)
	if err := s.poll.add(m.fd, m.slot, m.gen); err != nil {
		s.all.opts.Logger.Warn("a connection cannot be watched", "err", err)
		s.end(m, EndFailed)
		return
	}
	s.settle(m, now)
}

// groupOf returns the group that a member belongs to.
func (s *shard) groupOf(m *member) *group {
	key := groupKey{on: m.cursor.Target(), enc: m.enc}
	if m.poll != nil {
		key.reply, key.items = m.poll.Reply, m.poll.Items
	}
	if g := s.groups[key]; g != nil {
		return g
	}
	g := &group{shard: s, key: key, on: key.on, enc: m.enc}
	g.waiter = g.on.Listen(func(first stream.ID) {
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
	})
	s.groups[key] = g
	return g
}

// settle takes a member over from a worker, or from outside, and sends it on
// its way.
func (s *shard) settle(m *member, now time.Duration) {
	fate := m.fate
	m.fate = fateHome
	switch {
	case m.gone || fate == fateGone:
		s.end(m, EndGone)
	case fate == fateFailed:
		s.end(m, EndFailed)
	case fate == fateAnswered:
		s.rest(m)
	case fate == fateStopped || s.all.stops():
		m.state = blocked
		s.dismiss(m, now)
	case fate == fateBlocked && m.room:
		s.catchUp(m)
	case fate == fateBlocked:
		s.block(m)
	default:
		// What came meanwhile touched the group when this one was not in it.
		m.group.park(m)
		if s.serve(m, 0, now) {
			s.catchUp(m)
		}
	}
}

// catchUp hands a member to the workers.
func (s *shard) catchUp(m *member) {
	if m.state == parked {
		m.group.unpark(m)
	}
	m.state, m.room = catchingUp, false
	s.all.pool.push(m)
}

// block lets a member wait for room.
func (s *shard) block(m *member) {
	if m.state == parked {
		m.group.unpark(m)
	}
	m.state = blocked
	s.all.tally.blocked.Add(1)
}

// dismiss ends a member's stream: with a notice, when the server goes.
func (s *shard) dismiss(m *member, now time.Duration) {
	end := EndGone
	if s.all.hub.IsDraining() {
		end = EndDrained
		switch {
		case m.half != nil || m.state == resting:
		case m.poll != nil:
			s.dismissPoll(m, now)
		default:
			b := m.enc.Closing(nil, stream.Closing{Reason: "draining", Cursor: m.cursor.Resume(), Retry: stream.JitteredRetry()})
			m.write(b, now)
		}
		// What the peer sent and nobody read would make the end of the stream
		// a reset, which takes the notice with it.
		m.discard(s.scratch)
	}
	s.end(m, end)
}

// end closes a member's connection and forgets it.
func (s *shard) end(m *member, why End) {
	if m.state == resting {
		m.close(why == EndDrained)
		s.vacate(m)
		return
	}
	if m.state == parked {
		m.group.unpark(m)
		m.state = blocked
	}
	s.all.forget(m)
	m.close(why == EndDrained || why == EndFailed || why == EndAnswered)
	s.vacate(m)
	s.leave(m, why)
}

// leave takes a member out of its group, and of the subscribers.
func (s *shard) leave(m *member, why End) {
	if m.state == parked {
		m.group.unpark(m)
	}
	if m.poll != nil {
		m.poll.timer.Stop()
	}
	g := m.group
	m.group = nil
	g.waiter.AddReaders(-1)
	if g.members--; g.members == 0 {
		g.waiter.Close()
		delete(s.groups, g.key)
	}
	g.on.Release()
	m.cursor = stream.Cursor{} // of a connection that rests nothing of it is left
	m.left(why)
}

// has reports whether a member is still here.
func (s *shard) has(m *member) bool { return s.slots[m.slot].m == m }

// vacate frees a member's slot.
func (s *shard) vacate(m *member) {
	sl := &s.slots[m.slot]
	sl.m = nil
	sl.gen++
	s.free = append(s.free, m.slot)
	s.all.tally.members.Add(-1)
	if m.state == resting {
		s.all.tally.resting.Add(-1)
	}
}
