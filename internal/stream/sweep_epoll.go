//go:build linux && !portable

package stream

import "time"

// sweepMembers is how many members a sweep looks at before live items have
// their turn again.
const sweepMembers = 200

// tick is how often all members are looked at.
func (s *shard) tick() time.Duration {
	o := &s.all.opts
	return min(max(min(o.Heartbeat, o.StallTimeout)/8, time.Millisecond), time.Second)
}

// sweep looks at a slice of the members: it cuts those that take nothing, and
// gives those a sign of life that had nothing for long; when the server goes,
// it tells them.
func (s *shard) sweep(now time.Duration) {
	if !s.sweeping {
		return
	}
	end := min(s.swept+sweepMembers, len(s.slots))
	for ; s.swept < end; s.swept++ {
		m := s.slots[s.swept].m
		switch {
		case m == nil || m.state == catchingUp:
		case s.drained:
			s.dismiss(m, now)
		case m.stalled(now, s.all.opts.StallTimeout):
			m.abort()
			s.end(m, EndStalled)
		case m.state == parked && now-m.wrote > s.all.opts.Heartbeat-s.tick():
			s.heartbeat(m, now)
		}
	}
	s.sweeping = s.swept < len(s.slots)
}

func (s *shard) heartbeat(m *member, now time.Duration) {
	moved := m.cursor.on.sel.Filtered() && m.cursor.Position() > m.told
	whole, err := m.notify(m.enc.Silence(s.scratch[:0], m.cursor.Position(), moved), now)
	switch {
	case err != nil:
		s.end(m, EndGone)
		return
	case !whole:
		s.block(m)
	}
	if moved {
		m.told = m.cursor.Position()
	}
}
