package load

import "golang.org/x/sys/unix"

// The commands of a run to its readers. The reader's goroutine calls them: see
// reader.do.

// dropAll drops all subscribers that the storm takes.
func (r *reader) dropAll() {
	r.storm = true
	for i := range r.subs {
		s := &r.subs[i]
		if s.stalled || s.stays || s.state == gone {
			continue
		}
		if s.state.open() {
			r.drop(s)
		}
		s.state = away
		r.counters.away.Add(1)
	}
}

// returnAll lets the dropped subscribers connect again. Each has recovered when it
// has as many items as were acknowledged by now.
func (r *reader) returnAll(need []uint64, at int64) {
	r.backAt = at
	for i := range r.subs {
		s := &r.subs[i]
		if s.state != away {
			continue
		}
		s.state = waiting
		s.recovering = true
		s.need = need[s.group]
		r.ready = append(r.ready, int32(i))
	}
}

func (r *reader) checkRecovered(s *subscriber) {
	if s.state != live && s.state != asking || s.tracker.got < s.need {
		return
	}
	s.recovering = false
	r.recovered.Record(r.now - r.backAt)
	r.counters.recovered.Add(1)
}

// calmDown ends the storm.
func (r *reader) calmDown() { r.storm = false }

// probe reads from the stalled subscribers, to see whether the server has cut them:
// the end of a connection is behind what was sent before it.
func (r *reader) probe() {
	for i := range r.subs {
		if s := &r.subs[i]; s.state == deaf {
			s.state = probed
			r.arm(s, unix.EPOLL_CTL_MOD, listening)
		}
	}
}

func (r *reader) stop() { r.stopped = true }
