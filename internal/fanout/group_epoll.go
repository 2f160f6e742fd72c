//go:build linux && !portable

package fanout

import (
	"time"

	"feedd/internal/stream"
)

// group is the members of a shard with the same selection and form. They get
// the same bytes.
type group struct {
	shard    *shard
	key      groupKey
	form     form
	answers  bool // see form
	listener *stream.Listener
	members  int       // all of them
	parked   []*member // those that are parked

	// came is an id at or below that of the first item that no pass has looked at
	// yet, 0 for none. shard.mu guards it.
	came stream.ID

	// A pass gives the parked members everything up to the head. It walks from
	// the last one down, because the last one takes the place of a member that
	// leaves, and must have had its turn.
	passing   bool
	remaining int // members that had no turn yet: parked[:remaining]
	// hasBelow: the parked members need nothing below this id in this pass.
	hasBelow stream.ID
	again    stream.ID // hasBelow of the next pass; 0: none is needed
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
	// The list is copied to a shorter one if that gives back half a KiB or more,
	// and only once three quarters of it are empty, so that not each member that
	// leaves causes a copy.
	if cap(g.parked) > 64 && last < cap(g.parked)/4 {
		g.parked = append(make([]*member, 0, last), g.parked...)
	}
}

// touch begins a pass or, if one is under way, has another one follow.
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

// sliceMembers is how many members are served before other work has its turn:
// other groups, new members, heartbeats, other goroutines. A write takes some
// 10 us, so other work waits for little more than a millisecond.
const sliceMembers = 128

// pass serves a slice of the members to which items came, group after group.
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

// passBounds is how much a member gets at a time in a pass: as much as a socket
// may take at once, and no more, because all members of a shard wait while it
// is encoded.
var passBounds = stream.Bounds{Items: 4096, Bytes: 256 << 10}

// batch is what members that stand at the same place get.
type batch struct {
	group  *group
	place  stream.Place
	d      stream.Delivery
	recent bool // the windows reach back so far
	frames frames
}

// batches remembers the latest batches, for the length of a slice. Four are
// enough: the members of a group stand at a few places after a burst that not
// all of them took whole.
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

// of returns what comes next for a member that needs nothing below hasBelow.
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
	cursor := m.cursor // this copy is on the heap, once for each batch
	cursor.Skip(hasBelow)
	l.d, l.recent = h.Recent(&cursor, m.group.form.bounds(passBounds))
	m.group.form.encode(&l.frames, &cursor, &l.d)
	return l
}

// delaySample: of this many deliveries in a slice, the delay of one is counted.
// To read the clock for each would slow a pass down.
const delaySample = 16

// serve gives a parked member what comes next. The member needs nothing below
// hasBelow; 0: that is not known. serve reports whether the member is still
// parked and there is more for it.
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
