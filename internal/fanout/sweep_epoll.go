//go:build linux && !portable

package fanout

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
		case m.rests() && s.all.opts.RestTimeout > 0 && now-m.wrote > s.all.opts.RestTimeout:
			s.end(m, EndGone)
		case m.stalled(now, s.all.opts.StallTimeout, s.all.opts.Heartbeat):
			s.end(m, EndStalled)
		case m.state == blocked && m.sent == m.acked:
			// Everything was taken, so there is room.
			s.catchUp(m)
		case m.poll == nil && m.state == parked && now-m.wrote > s.all.opts.Heartbeat-s.tick():
			if !m.heartbeat(now) {
				s.block(m)
			}
		}
	}
	s.sweeping = s.swept < len(s.slots)
}
