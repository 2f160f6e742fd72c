//go:build linux && !portable

package fanout

import (
	"cmp"
	"slices"
	"time"
)

// rest is the task of a member whose long poll was answered: its connection
// waits for what the peer asks next, and is returned then. It is in no group
// and no subscriber any more, and costs as little as the long poll did.
//
// If each connection were returned at once instead, a peer that asks for
// nothing more would cost a goroutine and its buffers: 6 to 15 KiB instead of
// 4, and 30 us of CPU for its answer instead of 8. For peers that ask again at
// once there is no difference: see DESIGN.md, "Measured".
type rest longPoll

// answered turns a long poll that was answered into a rest.
func (s *shard) answered(m *member) {
	p := m.task.(*longPoll) // nothing else is answered
	if s.all.stops() || p.last() {
		// If anything that the peer sent is unread, close sends a reset, and the
		// peer may lose the answer.
		m.discard(s.scratch)
		s.end(m, EndAnswered)
		return
	}
	p.timer.Stop()
	s.leave(m, EndAnswered)
	m.state, m.task = resting, (*rest)(p)
	s.all.tally.resting.Add(1)
	if p.Ahead {
		s.returnLater(m, (*rest)(p))
	}
}

// heard returns the connection when the peer asks for something.
func (r *rest) heard(s *shard, m *member, kind uint32) (gone bool) {
	p := (*longPoll)(r)
	p.note(m, kind)
	if p.Ahead {
		s.returnLater(m, r)
	}
	return p.last()
}

func (r *rest) form() form                    { return nil }
func (r *rest) begin(*shard, *member)         {}
func (r *rest) close(*member)                 { r.conn.Close() }
func (r *rest) farewell(*member, bool) []byte { return nil }

// timeout ends a rest that took too long.
func (r *rest) timeout(s *shard, m *member, now time.Duration) {
	if most := s.all.opts.RestTimeout; most > 0 && !r.returning && now-m.wrote > most {
		s.end(m, EndGone)
	}
}

// returns holds the connections that a shard is about to return. They wait for
// all answers that are under way, in any shard: a client that was answered
// first must not ask again before the last one has its answer.
type returns struct {
	list    []*member
	since   time.Duration // when the list began to fill
	holding bool          // they wait for passes
	counted bool          // in Shards.passing
}

// due reports whether there are connections that need not wait.
func (r *returns) due() bool { return len(r.list) > 0 && !r.holding }

// returnLater puts a connection behind those that are returned before it.
func (s *shard) returnLater(m *member, r *rest) {
	if r.returning {
		return
	}
	r.returning = true
	if len(s.returns.list) == 0 {
		s.returns.since = s.all.now()
	}
	s.returns.list = append(s.returns.list, m)
}

// maxHeld is how long connections are held for answers that are under way.
// There may always be some, and a client that polls again must not wait longer
// than a person would notice.
const maxHeld = 200 * time.Millisecond

// holdStep is how often a shard that holds connections looks whether answers
// are still under way: a client that polls again loses at most that.
const holdStep = time.Millisecond

// tellPassing tells the other shards whether this one has passes under way.
func (s *shard) tellPassing() {
	if p := len(s.passes) > 0; p != s.returns.counted {
		s.returns.counted = p
		if p {
			s.all.passing.Add(1)
		} else {
			s.all.passing.Add(-1)
		}
	}
}

// returnSome returns a slice of the connections.
func (s *shard) returnSome(now time.Duration) {
	r := &s.returns
	r.holding = len(r.list) > 0 && s.all.passing.Load() > 0 && now-r.since < maxHeld
	if !r.due() {
		return
	}
	n := min(len(r.list), sliceMembers)
	for _, m := range r.list[:n] {
		if !s.has(m) {
			continue
		}
		s.epoll.remove(m.fd)
		s.vacate(m)
		m.task.(*rest).Return()
	}
	if r.list = r.list[n:]; len(r.list) == 0 {
		r.list = nil
	}
}

// CloseResting has about n resting connections closed soon, the longest resting
// of each shard. Their peers have asked for nothing after their last answers.
func (s *Shards) CloseResting(n int) {
	share := (n + len(s.list) - 1) / len(s.list)
	for _, sh := range s.list {
		// A call that comes before these are closed means the same ones.
		sh.put(func(in *inbox) { in.crowded = max(in.crowded, share) })
	}
}

// closeResting closes the n connections that rest the longest.
func (s *shard) closeResting(n int) {
	if n == 0 {
		return
	}
	var list []*member
	for i := range s.slots {
		if m := s.slots[i].m; m != nil {
			if r, ok := m.task.(*rest); ok && !r.returning {
				list = append(list, m)
			}
		}
	}
	slices.SortFunc(list, func(a, b *member) int { return cmp.Compare(a.wrote, b.wrote) })
	for _, m := range list[:min(n, len(list))] {
		s.end(m, EndGone)
	}
}
