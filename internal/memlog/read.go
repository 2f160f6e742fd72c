package memlog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"feedd/internal/stream"
)

// scanLimit is how many items one Read looks at: it bounds how long a Read for
// a rare event holds the mutex.
const scanLimit = 10_000

// Read implements [stream.Log].
func (l *Log) Read(ctx context.Context, q stream.Query) (stream.Page, error) {
	if err := l.usable(ctx); err != nil {
		return stream.Page{}, fmt.Errorf("read %s: %w", q.Select, err)
	}
	now := l.now()
	l.mu.RLock()
	defer l.mu.RUnlock()
	entries, has := l.candidatesLocked(q.Select)
	match := func(e *entry) bool {
		return e.feed != nil && !e.item.Expired(now) && q.Select.HasEvent(e.item.Event) && has(e.feed)
	}
	if q.Backward {
		return scanBackward(entries, q, match), nil
	}
	p := scanForward(entries, q, match)
	if l.highest > max(q.After, q.Told) {
		p.Loss = l.lossLocked(q, now)
	}
	return p, nil
}

// candidatesLocked returns entries by id among which all selected ones are, and
// whether a feed of theirs is selected.
func (l *Log) candidatesLocked(sel stream.Selection) ([]*entry, func(*feed) bool) {
	if names, plain := sel.Names(); plain && len(names) < 2 {
		var items []*entry
		if len(names) == 1 && l.feeds[names[0]] != nil {
			items = l.feeds[names[0]].items
		}
		return items, func(*feed) bool { return true }
	}
	known := make(map[*feed]bool) // a selector is dear to ask for each item
	return l.all, func(f *feed) bool {
		is, ok := known[f]
		if !ok {
			is = sel.Has(f.name)
			known[f] = is
		}
		return is
	}
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
func scanForward(entries []*entry, q stream.Query, match func(*entry) bool) stream.Page {
	p := stream.Page{Through: max(q.After, q.UpTo)} // a cursor never moves back
	room := newRoom(&q)
	start := above(entries, q.After)
	for i := start; i < len(entries) && entries[i].item.ID <= q.UpTo; i++ {
		e := entries[i]
		is := match(e)
		if i-start == scanLimit || is && !room.take(&e.item) {
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
func scanBackward(entries []*entry, q stream.Query, match func(*entry) bool) stream.Page {
	p := stream.Page{Through: q.After}
	room := newRoom(&q)
	start := above(entries, q.UpTo) - 1
	for i := start; i >= 0 && entries[i].item.ID > q.After; i-- {
		e := entries[i]
		is := match(e)
		if start-i == scanLimit || is && !room.take(&e.item) {
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

// room is what is left of a page's limits.
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
// nil where that is nothing or the reader knows.
func (l *Log) lossLocked(q stream.Query, now time.Time) *stream.Loss {
	var (
		top    mark
		loss   = stream.Loss{Resume: q.After}
		losses []stream.ID // after After
	)
	note := func(m mark) bool {
		if m.id <= q.After {
			return false
		}
		top.raise(m.id, m.reason)
		losses = append(losses, m.id)
		return true
	}
	absent := l.eachSelectedLocked(q.Select, func(f *feed) {
		if note(f.lost) {
			loss.Feeds = append(loss.Feeds, f.name)
		}
		if id := f.firstAbove(q.After, now); id > 0 && (loss.Oldest == 0 || id < loss.Oldest) {
			loss.Oldest = id
		}
	})
	if absent {
		note(l.forgotten)
	}
	if top.id <= q.Told || top.id == 0 {
		return nil
	}
	loss.Through, loss.Reason = top.id, top.reason
	for _, id := range losses {
		if loss.Oldest == 0 || id < loss.Oldest {
			loss.Resume = max(loss.Resume, id)
		}
	}
	slices.Sort(loss.Feeds)
	loss.Feeds = loss.Feeds[:min(len(loss.Feeds), stream.MaxGapFeeds)]
	return &loss
}

// eachSelectedLocked calls fn for each feed of the selection, and reports
// whether there may have been others that were forgotten.
func (l *Log) eachSelectedLocked(sel stream.Selection, fn func(*feed)) (absent bool) {
	names, plain := sel.Names()
	if !plain {
		for _, f := range l.feeds {
			if sel.Has(f.name) {
				fn(f)
			}
		}
		return len(sel.Terms()) > 0 // the zero Selection selects nothing
	}
	for _, name := range names {
		if f := l.feeds[name]; f != nil {
			fn(f)
		} else {
			absent = true
		}
	}
	return absent
}

// firstAbove returns the feed's first item above id that has not run out, 0
// where there is none.
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
