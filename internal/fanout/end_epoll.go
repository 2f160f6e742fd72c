//go:build linux && !portable

package fanout

import (
	"time"

	"feedd/internal/stream"
)

// dismiss ends a member: with a notice if the server stops.
func (s *shard) dismiss(m *member, now time.Duration) {
	end := EndGone
	if s.all.hub.Stopping() {
		end = EndDrained
		if m.half == nil {
			if b := m.task.farewell(m, true); len(b) > 0 {
				m.write(b, now)
			}
		}
		// If anything that the peer sent is unread, close sends a reset, and the
		// peer may lose the notice.
		m.discard(s.scratch)
	}
	s.end(m, end)
}

// end closes a member's connection and forgets it.
func (s *shard) end(m *member, why End) {
	m.dropHalf()
	m.close(why == EndDrained || why == EndFailed || why == EndAnswered)
	s.vacate(m)
	if m.group != nil {
		s.leave(m, why)
	}
}

// leave takes a member out of its group. It is no subscriber any more.
func (s *shard) leave(m *member, why End) {
	g := m.group
	if m.state == parked {
		g.unpark(m)
	}
	m.group = nil
	g.listener.AddReaders(-1)
	if g.members--; g.members == 0 {
		g.listener.Close()
		delete(s.groups, g.key)
	}
	g.key.target.Release()
	m.cursor = stream.Cursor{} // a connection that rests holds nothing of it
	m.onEnd(why)
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
