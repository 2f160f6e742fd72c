//go:build linux && !portable

package fanout

import (
	"time"

	"feedd/internal/stream"
)

// group is the members of a shard that get the same bytes: with the same
// selection, in the same encoding.
type group struct {
	shard  *shard
	key    groupKey
	on     *stream.Target
	enc    *stream.Encoding
	waiter *stream.Listener
	// members counts all, parked those that are parked.
	members int
	parked  []*member

	// came is an id at or below the first item that came and was not looked at
	// yet, 0 for none. It is guarded by shard.mu.
	came stream.ID

	// A pass gives the parked members everything up to the head. It walks from
	// the last one down: whoever leaves is replaced by the last one, who had
	// its turn.
	passing bool
	left    int // members that had no turn yet: parked[:left]
	// since: every parked member had everything that was selected below it,
	// when the pass began.
	since stream.ID
	again stream.ID // the next pass's since, 0: there is nothing more to pass on
}

type groupKey struct {
	on    *stream.Target // those who select the same hold the same
	enc   *stream.Encoding
	reply *Reply // of polls, with the items of an answer
	items int
}

func (g *group) park(m *member) {
	m.state, m.at = parked, len(g.parked)
	g.parked = append(g.parked, m)
}

func (g *group) unpark(m *member) {
	last := len(g.parked) - 1
	g.parked[m.at] = g.parked[last]
	g.parked[m.at].at = m.at
	g.parked[last] = nil
	g.parked = g.parked[:last]
	if cap(g.parked) > 64 && last < cap(g.parked)/4 {
		g.parked = append(make([]*member, 0, last), g.parked...)
	}
}

// touch begins a pass, or has another one follow.
func (s *shard) touch(g *group, since stream.ID) {
	if g.passing {
		if g.again == 0 || since < g.again {
			g.again = since
		}
		return
	}
	g.passing, g.left, g.since, g.again = true, len(g.parked), since, 0
	s.passes = append(s.passes, g)
}

// sliceMembers is how many members are served before anything else has its
// turn: other feeds, new subscribers, heartbeats, other goroutines.
const sliceMembers = 128

// pass serves a slice of the groups that have something coming, in turn.
func (s *shard) pass(now time.Duration) {
	served := 0
	s.sample = 0
	for served < sliceMembers && len(s.passes) > 0 {
		g := s.passes[0]
		for served < sliceMembers && g.left > 0 {
			g.left = min(g.left, len(g.parked))
			if g.left == 0 {
				break
			}
			g.left--
			if m := g.parked[g.left]; s.serve(m, g.since, now) {
				s.touch(g, m.cursor.Position()+1)
			}
			served++
		}
		s.passes = s.passes[1:]
		switch {
		case g.left > 0:
			s.passes = append(s.passes, g)
		case g.again > 0:
			g.left, g.since, g.again = len(g.parked), g.again, 0
			s.passes = append(s.passes, g)
			served++ // also when nobody is parked
		default:
			g.passing = false
			served++
		}
	}
}

// passBounds is how much a member gets in a pass.
var passBounds = stream.Bounds{Items: 4096, Bytes: 256 << 10}

// batch is what members that stand at the same place get.
type batch struct {
	group *group
	at    stream.Place

	d    stream.Delivery
	ok   bool // the windows reach back so far
	page page

	answer []byte // of polls, in the place of the page
	kept   *kept  // the memory of the answer, once somebody has a rest of it
}

// batches remembers the latest, for the length of a slice.
type batches struct {
	list [4]batch
	next int
}

func (b *batches) forget() {
	for i := range b.list {
		b.list[i].group = nil
		b.list[i].d = stream.Delivery{}
		b.list[i].answer, b.list[i].kept = nil, nil
		b.list[i].page.spare(2 * passBounds.Bytes)
	}
}

// of returns what comes next for a member that had everything below since.
func (b *batches) of(m *member, since stream.ID, h *stream.Hub) *batch {
	cursor := m.cursor
	cursor.Skip(since)
	at := cursor.Place()
	for i := range b.list {
		if l := &b.list[i]; l.group == m.group && l.at == at {
			return l
		}
	}
	l := &b.list[b.next]
	b.next = (b.next + 1) % len(b.list)
	l.group, l.at = m.group, at
	l.answer, l.kept = nil, nil
	l.d, l.ok = h.Recent(&cursor, m.bounds(passBounds))
	switch {
	case m.poll == nil:
		l.page.encode(m.enc, &l.d)
	case len(l.d.Entries) > 0:
		// Not in a buffer that is used again: those who take it in parts keep
		// the rest.
		l.answer = m.poll.Reply.Append(nil, answerOf(&cursor, &l.d), false)
	}
	return l
}

// delaySample is how many deliveries of a pass there are for one whose delay is
// counted.
const delaySample = 16

// serve gives a parked member what comes next. Since is an id such that the
// member had everything below it, 0 where that is not known. It reports whether
// the member is still parked, and there is more for it.
func (s *shard) serve(m *member, since stream.ID, now time.Duration) (more bool) {
	b := s.batches.of(m, since, s.all.hub)
	if !b.ok {
		s.catchUp(m)
		return false
	}
	if m.poll != nil {
		return s.servePoll(m, b, now)
	}
	if len(b.page.buf) == 0 {
		m.cursor.Advance(&b.d)
		return b.d.More
	}
	w, err := m.deliver(&b.page, &b.d, now)
	s.delivered += uint64(w.items)
	if w.items > 0 {
		if s.sample%delaySample == 0 {
			s.all.hub.Delays.Add(b.d.Entries[0].ID, time.Now())
		}
		s.sample++
	}
	switch {
	case err != nil:
		s.end(m, EndGone)
		return false
	case !w.whole:
		s.block(m)
		return false
	}
	return b.d.More
}
