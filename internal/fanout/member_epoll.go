//go:build linux && !portable

package fanout

import (
	"time"

	"golang.org/x/sys/unix"

	"feedd/internal/stream"
)

// member is a subscriber in a shard. It has one owner at a time, its shard or a
// worker. Only the owner writes to its connection.
type member struct {
	// These are written by the shard only, also while a worker has the member. Of
	// these a worker reads fd and group.
	slot, gen uint32
	fd        int
	group     *group // nil once it is no subscriber any more: it rests
	at        int    // its place in group.parked, while it is parked
	onEnd     func(End)
	task      task
	state     state
	over      bool // it is to be answered with what there is: see longPoll
	gone      bool // the peer went while a worker had it
	room      bool // there was room to write while a worker had it
	inbound   int  // bytes that the peer sent

	// These fields belong to its owner.
	fate         fate // what the worker says
	cursor       stream.Cursor
	positionTold stream.ID // the position that the reader was told last
	half         *half     // what was written in part, nil for nothing

	sent   uint64        // bytes
	acked  uint64        // of these, as far as it is known
	joined time.Duration // when it came
	wrote  time.Duration // when something was sent last
	moved  time.Duration // when acked moved last, or became due to move
}

type state uint8

const (
	parked state = iota
	blocked
	catchingUp
	resting // it was answered: see rest
)

// task says what a member does: it is a stream, a long poll, or a rest after a
// long poll. Only the shard calls its methods. To write a delivery that was
// encoded for a group needs none of them.
type task interface {
	// form is what the members of a group have in common.
	form() form
	// begin is called once the member is in its shard.
	begin(s *shard, m *member)
	// heard is told that bytes of the peer lie unread (EPOLLIN) or that it sends
	// no more (EPOLLRDHUP). It reports whether the peer counts as gone.
	heard(s *shard, m *member, kind uint32) (gone bool)
	// timeout is called in each sweep (see sweepEvery), unless a worker has the
	// member. It does what is due by then.
	timeout(s *shard, m *member, now time.Duration)
	// farewell returns what the member is sent last. final says that the
	// connection ends behind it.
	farewell(m *member, final bool) []byte
	// close closes the connection.
	close(m *member)
}

// form is how items and notices look to the members of a group. It is
// comparable.
type form interface {
	// bounds returns how much a member gets at once, at most what most says.
	bounds(most stream.Bounds) stream.Bounds
	// encode encodes a delivery for a cursor. It gives nothing if the member must
	// wait on.
	encode(f *frames, c *stream.Cursor, d *stream.Delivery)
	// signOfLife shows the peer that the connection lives, while a worker reads
	// the log for long. It returns false if the connection took no more.
	signOfLife(m *member, now time.Duration) bool
	// answers reports whether a member is done once it has got something whole.
	answers() bool
}

// enter gives a new member a slot.
func (s *shard) enter(m *member, now time.Duration) {
	if len(s.free) == 0 {
		s.slots = append(s.slots, slot{})
		s.free = append(s.free, uint32(len(s.slots)-1))
	}
	m.slot = s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	sl := &s.slots[m.slot]
	sl.m, m.gen = m, sl.gen
	m.group = s.groupOf(m)
	m.group.members++
	m.group.listener.AddReaders(1)
	m.state = catchingUp // in no list yet
	m.task.begin(s, m)
	if err := s.epoll.add(m.fd, m.slot, m.gen); err != nil {
		s.all.opts.Logger.Warn("a connection cannot be watched", "err", err)
		s.end(m, EndFailed)
		return
	}
	s.settle(m, now)
}

// settle takes a new member, or one that a worker hands back, and decides what
// it does next.
func (s *shard) settle(m *member, now time.Duration) {
	fate := m.fate
	m.fate = fateHome
	switch {
	case m.gone || fate == fateGone:
		s.end(m, EndGone)
	case fate == fateFailed:
		s.end(m, EndFailed)
	case fate == fateAnswered:
		s.answered(m)
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

// onEvent handles an event on a member's connection.
func (s *shard) onEvent(m *member, kind uint32) {
	gone := kind&(unix.EPOLLHUP|unix.EPOLLERR) != 0
	if !gone && kind&(unix.EPOLLIN|unix.EPOLLRDHUP) != 0 {
		gone = m.task.heard(s, m, kind)
	}
	switch {
	case !s.has(m): // what it sent was the end of it
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
