//go:build linux && !portable

package fanout

import (
	"time"

	"feedd/internal/stream"
)

// group is the members of a shard that get the same bytes: with the same
// selection, in the same form.
type group struct {
	shard    *shard
	key      groupKey
	form     form
	answers  bool // see form
	listener *stream.Listener
	members  int       // all of them
	parked   []*member // those that are parked

	// came is an id at or below the first item that came and was not looked at
	// yet, 0 for none. It is guarded by shard.mu.
	came stream.ID

	// A pass gives the parked members everything up to the head. It walks from
	// the last one down: a member that leaves is replaced by the last one, which
	// had its turn.
	passing   bool
	remaining int // members that had no turn yet: parked[:remaining]
	// hasBelow: the parked members need nothing below this id in this pass.
	hasBelow stream.ID
	again    stream.ID // the next pass's hasBelow, 0: there is nothing more to pass on
}

type groupKey struct {
	target *stream.Target // members that select the same share it
	form   form
}

// groupOf returns the group that a member belongs to.
func (s *shard) groupOf(m *member) *group {
	key := groupKey{target: m.cursor.Target(), form: m.task.form()}
	g := s.groups[key]
	if g == nil {
		g = &group{shard: s, key: key, form: key.form, answers: key.form.answers()}
		g.listener = key.target.Listen(func(first stream.ID) { s.noteItems(g, first) })
		s.groups[key] = g
	}
	return g
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
	// The list shrinks where that gives back half a KiB or more, and rarely
	// enough that coming and going does not copy it each time.
	if cap(g.parked) > 64 && last < cap(g.parked)/4 {
		g.parked = append(make([]*member, 0, last), g.parked...)
	}
}

// touch begins a pass, or has another one follow.
func (s *shard) touch(g *group, hasBelow stream.ID) {
	if g.passing {
		if g.again == 0 || hasBelow < g.again {
			g.again = hasBelow
		}
		return
	}
	g.passing, g.remaining, g.hasBelow, g.again = true, len(g.parked), hasBelow, 0
	s.passes = append(s.passes, g)
}

// sliceMembers is how many members are served before anything else has its
// turn: other feeds, new members, heartbeats, other goroutines. A write takes
// some 10 us, so others wait for little more than a millisecond.
const sliceMembers = 128

// pass serves a slice of the groups that have something coming, in turn.
func (s *shard) pass(now time.Duration) {
	served := 0
	s.sample = 0
	for served < sliceMembers && len(s.passes) > 0 {
		g := s.passes[0]
		for served < sliceMembers && g.remaining > 0 {
			g.remaining = min(g.remaining, len(g.parked))
			if g.remaining == 0 {
				break
			}
			g.remaining--
			if m := g.parked[g.remaining]; s.serve(m, g.hasBelow, now) {
				s.touch(g, m.cursor.Position()+1)
			}
			served++
		}
		s.passes = s.passes[1:]
		switch {
		case g.remaining > 0:
			s.passes = append(s.passes, g)
		case g.again > 0:
			g.remaining, g.hasBelow, g.again = len(g.parked), g.again, 0
			s.passes = append(s.passes, g)
			served++ // also when no member is parked
		default:
			g.passing = false
			served++
		}
	}
}

// passBounds is how much a member gets in a pass: as much as a socket may take
// at once, and no more, since all members of a shard wait for its encoding.
var passBounds = stream.Bounds{Items: 4096, Bytes: 256 << 10}

// batch is what members that stand at the same place get.
type batch struct {
	group  *group
	place  stream.Place
	d      stream.Delivery
	recent bool // the windows reach back so far
	frames frames
}

// batches remembers the latest, for the length of a slice. Four are enough for a
// group whose members stand at a few places, after a burst that not all took
// whole.
type batches struct {
	list [4]batch
	next int
}

func (b *batches) forget() {
	for i := range b.list {
		l := &b.list[i]
		l.group = nil
		l.d = stream.Delivery{}
		l.frames.reset()
		l.frames.spare(2 * passBounds.Bytes)
	}
}

// of returns what comes next for a member that needs nothing below an id.
func (b *batches) of(m *member, hasBelow stream.ID, h *stream.Hub) *batch {
	place := m.cursor.PlaceAt(hasBelow)
	for i := range b.list {
		if l := &b.list[i]; l.group == m.group && l.place == place {
			return l
		}
	}
	l := &b.list[b.next]
	b.next = (b.next + 1) % len(b.list)
	l.group, l.place = m.group, place
	l.frames.reset()
	cursor := m.cursor // on the heap, but once for a batch
	cursor.Skip(hasBelow)
	l.d, l.recent = h.Recent(&cursor, m.group.form.bounds(passBounds))
	m.group.form.encode(&l.frames, &cursor, &l.d)
	return l
}

// delaySample is how many deliveries of a slice there are for one whose delay is
// counted: reading the clock for each would be felt.
const delaySample = 16

// serve gives a parked member what comes next; it needs nothing below an id, 0
// where that is not known. It reports whether the member is still parked, and
// there is more for it.
func (s *shard) serve(m *member, hasBelow stream.ID, now time.Duration) (more bool) {
	b := s.batches.of(m, hasBelow, s.all.hub)
	if !b.recent {
		s.catchUp(m)
		return false
	}
	var w written
	var err error
	switch {
	case len(b.frames.buf) > 0:
		w, err = m.deliver(&b.frames, &b.d, now)
	case m.over && !b.d.More:
		m.cursor.Advance(&b.d)
		f := framesOf(m.task.farewell(m, false), &s.all.rests)
		w, err = m.deliver(&f, &stream.Delivery{}, now)
	default:
		m.cursor.Advance(&b.d)
		return b.d.More
	}
	s.delivered += uint64(w.items)
	// Delays are those of streams: long polls in a handler are not counted either.
	if w.items > 0 && !m.group.answers {
		if s.sample%delaySample == 0 {
			s.all.hub.Delays.Add(b.d.Entries[0].ID, time.Now())
		}
		s.sample++
	}
	switch {
	case err != nil:
		s.end(m, EndGone)
	case !w.whole:
		s.block(m)
	case m.group.answers:
		s.answered(m)
	default:
		return b.d.More
	}
	return false
}
