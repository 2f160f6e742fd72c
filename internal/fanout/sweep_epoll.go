//go:build linux && !portable

package fanout

import "time"

// sweepMembers is how many members a sweep looks at before live items have
// their turn again. One takes a system call and a short write at most, so 200
// take about as long as a slice of a pass.
const sweepMembers = 200

// sweep is a walk over all members: for heartbeats, stalled peers, and the end.
type sweep struct {
	running bool
	swept   int // slots[:swept] had their turn
}

// start begins a sweep, unless one is under way.
func (w *sweep) start() {
	if !w.running {
		w.restart()
	}
}

func (w *sweep) restart() { *w = sweep{running: true} }

// sweepEvery is how often all members are looked at: eight times in a heartbeat
// and in a stall timeout, so that what is due comes late by an eighth at most;
// but at least once a second, and no more often than a machine can.
func (s *shard) sweepEvery() time.Duration {
	o := &s.all.opts
	return min(max(min(o.Heartbeat, o.StallTimeout)/8, time.Millisecond), time.Second)
}

// sweepSome looks at a slice of the members: it cuts those that take nothing,
// and has the others do what is due. If the server stops, it tells them.
func (s *shard) sweepSome(now time.Duration) {
	w := &s.sweep
	if !w.running {
		return
	}
	end := min(w.swept+sweepMembers, len(s.slots))
	for ; w.swept < end; w.swept++ {
		m := s.slots[w.swept].m
		switch {
		case m == nil || m.state == catchingUp:
		case s.drained:
			s.dismiss(m, now)
		case m.stalled(now, s.all.opts.StallTimeout, s.all.opts.Heartbeat):
			s.end(m, EndStalled)
		case m.state == blocked && m.sent == m.acked:
			// The peer took everything, so there is room.
			s.catchUp(m)
		default:
			m.task.timeout(s, m, now)
		}
	}
	w.running = w.swept < len(s.slots)
}
