package stream

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"feedd/internal/clip"

	"feedd/internal/selector"
)

// Hub brings what is committed to a Log to its readers. It holds the newest
// items of each feed in memory (the windows) and wakes the readers that wait
// for them.
type Hub struct {
	// Delays counts how long items took from their commit until they were written
	// to readers.
	Delays Delays

	log       Log
	openings  atomic.Pointer[[]Opening]
	windows   *windows
	wakes     *waker
	published atomic.Uint64

	drain    sync.Once
	draining chan struct{}
}

// windowAge is how long an item stays in memory if there is room: a reader
// that comes back after a short break (a reload, a tunnel, a restart of its
// proxy) finds it there. What is older is read from the log.
const windowAge = 10 * time.Minute

// HubOptions sets the bounds of a Hub. The zero value is usable.
type HubOptions struct {
	// WindowBytes bounds the memory for the windows of all feeds together.
	// 0: 64 MiB, which hold some 150,000 items of 100 bytes.
	WindowBytes int64
}

// NewHub starts a hub on a log whose OnCommit was not called yet. Close ends it; the log
// is the caller's to close, before the hub.
func NewHub(log Log, opts HubOptions) *Hub {
	if opts.WindowBytes == 0 {
		opts.WindowBytes = 64 << 20
	}
	h := &Hub{
		log:      log,
		windows:  newWindows(opts.WindowBytes),
		draining: make(chan struct{}),
	}
	h.wakes = newWaker(func() { h.windows.expire(time.Now().Add(-windowAge)) })
	openings := log.Openings()
	h.openings.Store(&openings)
	h.windows.start(log.OnCommit(h.committed))
	return h
}

// committed takes in a commit: windows, then head, then wakes. The log calls
// it from one goroutine at a time, and answers the publishers after it.
func (h *Hub) committed(c Commit) {
	h.published.Add(uint64(len(c.Items)))
	if c.Opening != nil {
		openings := append(slices.Clone(*h.openings.Load()), *c.Opening)
		h.openings.Store(&openings)
	}
	h.windows.apply(&c)
	h.wakes.wake(c.Items)
}

// Publish checks the batch and commits it (P2, P7). Once it has returned,
// readers find the items. Errors: ErrInvalid and those of Log.Append.
func (h *Hub) Publish(ctx context.Context, b Batch) (Receipt, error) {
	if err := b.Check(); err != nil {
		return Receipt{}, fmt.Errorf("publish: %w", err)
	}
	r, err := h.log.Append(ctx, b)
	if err != nil {
		return Receipt{}, fmt.Errorf("publish %s: %w", clip.Text(b.Feed), err)
	}
	return r, nil
}

// SourceAt returns the last id that was taken over from a source: see
// Log.SourceAt.
func (h *Hub) SourceAt(ctx context.Context, name string) (string, error) {
	at, err := h.log.SourceAt(ctx, name)
	if err != nil {
		return "", fmt.Errorf("look up the source %s: %w", name, err)
	}
	return at, nil
}

// Published returns how many items were committed since the hub began.
func (h *Hub) Published() uint64 { return h.published.Load() }

// Rates returns how many items a second came to each of the feeds in the last
// while, as far as they are in memory.
func (h *Hub) Rates(feeds []string, while time.Duration) []float64 {
	now := time.Now()
	return h.windows.rates(feeds, IDAt(now.Add(-while)), IDAt(now))
}

// Head returns the newest position: nothing above it was shown to anyone.
func (h *Hub) Head() ID { return h.windows.newest() }

// Recent is Next from memory alone: it waits for nothing. It returns false if
// memory does not reach back to the cursor; then Next must be called.
func (h *Hub) Recent(c *Cursor, b Bounds) (Delivery, bool) {
	if c.foreign != nil { // only the log knows what was lost to it
		return Delivery{}, false
	}
	return h.windows.deliver(c, b, time.Now())
}

// Next returns what lies between the cursor and the head, within the bounds.
// It never waits for new items: a cursor at the head gets an empty Delivery.
func (h *Hub) Next(ctx context.Context, c *Cursor, b Bounds) (Delivery, error) {
	if d, ok := h.Recent(c, b); ok {
		return d, nil
	}
	head := h.Head()
	page, err := h.log.Read(ctx, Query{
		Select: c.target.sel, After: c.after, UpTo: head, Items: b.Items, Bytes: b.Bytes, LossTold: c.lossTold,
	})
	if err != nil {
		return Delivery{}, fmt.Errorf("read %s after %s: %w", clip.Text(c.target.sel.String()), c.after, err)
	}
	d := Delivery{Through: page.Through, More: page.More, Entries: wrap(page.Items), atHead: !page.More}
	if c.foreign != nil {
		d.Gap, err = h.foreignGap(ctx, c, page.Loss, head)
		if err != nil {
			return Delivery{}, err
		}
	} else if l := page.Loss; l != nil {
		d.Gap = &Gap{
			After: c.after.String(), Through: l.Through, Oldest: l.Oldest,
			Reason: l.Reason, Feeds: l.Feeds, ID: l.Resume,
		}
	}
	return d, nil
}

// foreignGap returns the gap that tells a reader that this store did not give
// its position, and what was lost behind the position where it goes on.
func (h *Hub) foreignGap(ctx context.Context, c *Cursor, l *Loss, head ID) (*Gap, error) {
	g := &Gap{After: *c.foreign, Through: c.after, Reason: Unknown, ID: c.after}
	if l != nil {
		g.Through, g.Oldest, g.Feeds, g.ID = l.Through, l.Oldest, l.Feeds, l.Resume
		return g, nil
	}
	page, err := h.log.Read(ctx, Query{Select: c.target.sel.Only(nil), After: c.after, UpTo: head, Items: 1, Bytes: 1})
	if err != nil {
		return nil, fmt.Errorf("read %s after %s: %w", clip.Text(c.target.sel.String()), c.after, err)
	}
	if len(page.Items) > 0 {
		g.Oldest = page.Items[0].ID
	}
	return g, nil
}

// Before returns the newest items of the selection with an id below before (0:
// the newest of all), within the bounds and ascending; whether there are older
// ones; and the position below which they were taken: a reader that goes on from
// there misses nothing.
func (h *Hub) Before(ctx context.Context, sel selector.Selection, before ID, b Bounds) (items []*Entry, more bool, at ID, err error) {
	at = h.Head()
	if before > 0 && before <= at {
		if at, err = h.floor(ctx, before-1, at); err != nil {
			return nil, false, 0, fmt.Errorf("read %s before %s: %w", clip.Text(sel.String()), before, err)
		}
	}
	var pages [][]Item
	found, bytes := 0, 0
	more, err = h.backward(ctx, sel, at, b, func(page []Item) bool {
		pages = append(pages, page)
		found += len(page)
		for i := range page {
			bytes += page[i].Size()
		}
		return found < b.Items && bytes < b.Bytes
	})
	if err != nil {
		return nil, false, 0, fmt.Errorf("read %s before %s: %w", clip.Text(sel.String()), before, err)
	}
	for i := len(pages) - 1; i >= 0; i-- {
		items = append(items, wrap(pages[i])...)
	}
	if extra := len(items) - b.Items; extra > 0 {
		return items[extra:], true, at, nil
	}
	return items, more, at, nil
}

// backwardBytes bounds a page that is read backward: 1 MiB, so that a caller who
// keeps only ids of many large items does not have them in memory all at once.
const backwardBytes = 1 << 20

// backward reads pages from upTo down, each ascending, as long as next says
// so. It reports whether there may be more below.
func (h *Hub) backward(ctx context.Context, sel selector.Selection, upTo ID, b Bounds, next func([]Item) bool) (more bool, err error) {
	q := Query{Select: sel, UpTo: upTo, Backward: true, Items: b.Items + 1, Bytes: min(b.Bytes, backwardBytes)}
	for {
		page, err := h.log.Read(ctx, q)
		if err != nil || !next(page.Items) || !page.More {
			return page.More, err
		}
		q.UpTo = page.Through
	}
}

// Item returns one item, or nil if there is none.
func (h *Hub) Item(ctx context.Context, feed string, id ID) (*Item, error) {
	if id <= 0 || id > h.Head() {
		return nil, nil
	}
	if err := selector.CheckFeed(feed); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	sel, err := selector.Parse(feed, 1)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	page, err := h.log.Read(ctx, Query{Select: sel, After: id - 1, UpTo: id, Items: 1, Bytes: 1, LossTold: MaxID})
	if err != nil {
		return nil, fmt.Errorf("read %s/%s: %w", feed, id, err)
	}
	if len(page.Items) == 0 {
		return nil, nil
	}
	return &page.Items[0], nil
}

// Drain tells every reader to go (P9): see Draining.
func (h *Hub) Drain() { h.drain.Do(func() { close(h.draining) }) }

// Draining is closed once readers must end and no new ones are taken.
func (h *Hub) Draining() <-chan struct{} { return h.draining }

// Stopping reports whether Draining is closed.
func (h *Hub) Stopping() bool {
	select {
	case <-h.draining:
		return true
	default:
		return false
	}
}

// RecallRecent returns an entry by its id, or nil if it is gone; and false if
// memory does not reach back so far, and Recall must be called. It does not
// wait for anything.
func (h *Hub) RecallRecent(id ID) (*Entry, bool) { return h.windows.find(id, time.Now()) }

// Recall returns an entry of the cursor's selection by its id, or nil when it is
// gone. It is for the rest of an item that was written in part.
func (h *Hub) Recall(ctx context.Context, c *Cursor, id ID) (*Entry, error) {
	if e, known := h.RecallRecent(id); known {
		return e, nil
	}
	page, err := h.log.Read(ctx, Query{Select: c.target.sel, After: id - 1, UpTo: id, Items: 1, Bytes: 1, LossTold: MaxID})
	if err != nil {
		return nil, fmt.Errorf("read %s at %s: %w", clip.Text(c.target.sel.String()), id, err)
	}
	if len(page.Items) == 0 {
		return nil, nil
	}
	return wrap(page.Items)[0], nil
}

// Close ends the hub's goroutine. The log must be closed before.
func (h *Hub) Close() {
	h.Drain()
	h.wakes.close()
}

// wrap makes entries of items that are not shared.
func wrap(items []Item) []*Entry {
	if len(items) == 0 {
		return nil
	}
	entries := make([]Entry, len(items))
	list := make([]*Entry, len(items))
	for i := range items {
		entries[i].Item = items[i]
		list[i] = &entries[i]
	}
	return list
}
