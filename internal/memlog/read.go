package memlog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"feedd/internal/backlog"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

// scanLimit is how many items one Read looks at. It bounds how long a Read for
// a rare event holds the mutex. It is ten times the items that a page has over
// HTTP, so that a filter that takes one item in ten fills a page.
const scanLimit = 10_000

// Read implements [stream.Log].
//
// A page and its loss are of one moment, under the mutex. Whether a pattern
// matches is found out without it, for the feeds that were met: then it looks
// again.
func (l *Log) Read(ctx context.Context, q stream.Query) (stream.Page, error) {
	if err := l.usable(ctx); err != nil {
		return stream.Page{}, fmt.Errorf("read %s: %w", q.Select, err)
	}
	s := &scan{q: q, now: l.now(), known: make(map[*feed]bool), ahead: max(minAhead, 4*q.Items)}
	s.names, s.plain = q.Select.Names()
	for !l.tryRead(s) {
		for _, f := range s.unknown {
			s.known[f] = q.Select.Has(f.name)
		}
		s.unknown = s.unknown[:0]
		s.ahead *= 4
		if s.loss {
			s.feeds = l.resolve(q.Select)
			s.resolved = true
		}
	}
	return s.page, nil
}

// minAhead is how many entries behind the first of an unknown feed are looked at
// for other such feeds, at least. With fewer, a Read of many feeds would look
// again for each of them.
const minAhead = 256

// scan is one Read.
type scan struct {
	q     stream.Query
	now   time.Time
	names []string // of a selection without patterns
	plain bool

	known     map[*feed]bool // whether it is selected, as far as it was found out
	unknown   []*feed        // feeds that were met and are not in known
	ahead     int            // see minAhead
	remaining int            // of ahead, once a feed was unknown
	loss      bool           // there may be a loss to tell of
	feeds     []*feed        // those of the selection, if resolved is set
	resolved  bool

	page stream.Page
}

// tryRead makes the page, or returns false if something has to be found out
// before.
func (l *Log) tryRead(s *scan) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	q := &s.q
	entries := l.all
	if s.plain {
		if entries = nil; len(s.names) > 1 {
			entries = l.all
		}
		for _, name := range s.names {
			if f := l.feeds[name]; f != nil {
				s.known[f] = true
				if len(s.names) == 1 {
					entries = f.items
				}
			}
		}
	}
	s.loss = !q.Backward && l.highest > max(q.After, q.LossTold)
	s.remaining = s.ahead
	if q.Backward {
		s.page = scanBackward(entries, s)
	} else {
		s.page = scanForward(entries, s)
	}
	if len(s.unknown) > 0 || s.loss && !s.plain && !s.resolved {
		return false
	}
	if s.loss {
		s.page.Loss = l.lossLocked(s)
	}
	return true
}

// match reports whether an entry is selected. Once a feed is unknown nothing is;
// then ok says whether to look at more entries.
func (s *scan) match(e *entry) (is, ok bool) {
	if len(s.unknown) > 0 {
		s.remaining--
	}
	if e.feed == nil {
		return false, s.remaining > 0
	}
	is, known := s.known[e.feed]
	if !known && !s.plain {
		s.known[e.feed] = false // until it was asked
		s.unknown = append(s.unknown, e.feed)
	}
	is = is && len(s.unknown) == 0 && !e.item.Expired(s.now) && s.q.Select.HasEvent(e.item.Event)
	return is, s.remaining > 0
}

// resolve returns the feeds of a selection that are there now.
func (l *Log) resolve(sel selector.Selection) (feeds []*feed) {
	selector.Resolve(sel, *l.names.Load(), func(f *feed) bool {
		feeds = append(feeds, f)
		return true
	})
	return feeds
}

// find returns where id stands or would stand, and whether it is there.
func find(entries []*entry, id stream.ID) (int, bool) {
	return slices.BinarySearchFunc(entries, id, func(e *entry, id stream.ID) int { return cmp.Compare(e.item.ID, id) })
}

// above returns the index of the first entry with an id above id.
func above(entries []*entry, id stream.ID) int {
	i, found := find(entries, id)
	if found {
		i++
	}
	return i
}

// scanForward fills a page with the oldest matches.
func scanForward(entries []*entry, s *scan) stream.Page {
	q := &s.q
	p := stream.Page{Through: max(q.After, q.UpTo)} // a cursor never moves back
	room := newRoom(q)
	start := above(entries, q.After)
	for i := start; i < len(entries) && entries[i].item.ID <= q.UpTo; i++ {
		e := entries[i]
		is, ok := s.match(e)
		if !ok || i-start == scanLimit || is && !room.take(&e.item) {
			p.Through, p.More = entries[i-1].item.ID, true
			return p
		}
		if is {
			p.Items = append(p.Items, e.item)
		}
	}
	return p
}

// scanBackward fills a page with the newest matches.
func scanBackward(entries []*entry, s *scan) stream.Page {
	q := &s.q
	p := stream.Page{Through: q.After}
	room := newRoom(q)
	start := above(entries, q.UpTo) - 1
	for i := start; i >= 0 && entries[i].item.ID > q.After; i-- {
		e := entries[i]
		is, ok := s.match(e)
		if !ok || start-i == scanLimit || is && !room.take(&e.item) {
			p.Through, p.More = e.item.ID, true
			break
		}
		if is {
			p.Items = append(p.Items, e.item)
		}
	}
	slices.Reverse(p.Items)
	return p
}

// room is what a page may still take.
type room struct {
	items, bytes int
	used         bool
}

func newRoom(q *stream.Query) room { return room{items: q.Items, bytes: q.Bytes} }

// take reports whether the item fits. The first one always does.
func (r *room) take(it *stream.Item) bool {
	r.items--
	r.bytes -= it.Size()
	fits := !r.used || r.items >= 0 && r.bytes >= 0
	r.used = true
	return fits
}

// lossLocked returns what was lost to a selection after the query's position,
// nil if that is nothing or the reader knows.
func (l *Log) lossLocked(s *scan) *stream.Loss {
	// A feed that was forgotten may have been selected.
	absent := !s.plain && len(s.q.Select.Patterns()) > 0
	if s.plain {
		for _, name := range s.names {
			if f := l.feeds[name]; f != nil {
				s.feeds = append(s.feeds, f)
			} else {
				absent = true
			}
		}
	}
	losses := backlog.NewLosses(&s.q)
	var oldest stream.ID
	for _, f := range s.feeds {
		losses.Add(f.lost.id, f.lost.reason, f.name)
		if id := f.firstAbove(s.q.After, s.now); id > 0 && (oldest == 0 || id < oldest) {
			oldest = id
		}
	}
	if absent {
		losses.Add(l.forgotten.id, l.forgotten.reason, "")
	}
	return losses.Loss(oldest)
}

// firstAbove returns the feed's first item above id that has not run out, 0
// if there is none.
func (f *feed) firstAbove(id stream.ID, now time.Time) stream.ID {
	for _, e := range f.items[above(f.items, id):] {
		if !e.item.Expired(now) {
			return e.item.ID
		}
	}
	return 0
}

// Floor implements [stream.Log].
func (l *Log) Floor(ctx context.Context, id stream.ID) (stream.ID, error) {
	if err := l.usable(ctx); err != nil {
		return 0, fmt.Errorf("floor of %s: %w", id, err)
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if i := above(l.all, id); i > 0 {
		return l.all[i-1].item.ID, nil
	}
	return l.opening.Time, nil
}
