package stream

import (
	"slices"
	"sort"
	"sync"
	"time"
)

const (
	// scanEntries is how many entries a delivery looks at before it returns what
	// it has. That takes some 100 us: a reader whose filter rarely matches must
	// not keep the others waiting while the whole window is searched.
	scanEntries = 4096
	// glanceEntries is how many entries of all feeds are looked at under the lock
	// at a time: as many as one page holds, so that a page takes the lock once,
	// and a commit waits for some microseconds.
	glanceEntries = 512
	// rateFeeds is how many feeds are looked at under the lock at a time: each
	// takes a binary search, so a commit waits for some tens of microseconds.
	rateFeeds = 256
	// freeShare: an eighth of the memory is kept free of entries, for their
	// frames. That is enough, because live readers ask for the frames of the
	// newest entries only.
	freeShare = 8
	// compactBytes is how much memory dead entries may always take: for less than
	// 1 MiB, a copy of the list costs more than it gives back.
	compactBytes = 1 << 20
	// expireStep is how many entries are taken out under the lock at a time: a
	// commit waits for some 100 us.
	expireStep = 1000
)

// windows holds the newest items of all feeds: once in the order of ids, for
// readers of patterns, and once by feed. It is a cache of the newest part of
// the backlogs. Entries are evicted in the order of ids over all feeds, so
// everything above base is here.
//
// Two floors decide who may read here. A live reader, one that has been at the
// head and was served from here since, may read down to floor: below it entries
// were evicted or purged. It may read what retention has trimmed meanwhile, so
// that a burst larger than a small backlog reaches the readers that were at the
// head. A reader that resumes must be told of everything that is gone from the
// store, so it may read down to exact only.
type windows struct {
	// mu guards everything here. It is held to link and unlink entries and to
	// copy pointers, never while encoding or waiting.
	mu    sync.RWMutex
	head  ID // the newest position that may be read
	base  ID // floor of the tail: entries at or below it may be missing
	exact ID // exact floor of the tail: the highest of base and all trims
	tail  queue
	feeds map[string]*window
	dead  int64 // cost of the entries that are gone but still in the tail

	memory memory
}

// window holds the newest entries of one feed.
type window struct {
	entries queue
	floor   ID
	exact   ID
}

// queue is a list of entries in the order of ids, taken from the front.
type queue struct {
	list []*Entry
	off  int // list[:off] was taken
}

func (q *queue) all() []*Entry { return q.list[q.off:] }
func (q *queue) push(e *Entry) { q.list = append(q.list, e) }
func (q *queue) pop() {
	q.list[q.off] = nil
	q.off++
	const few = 64 // half a KiB of pointers: not worth a copy
	if q.off > few && q.off > len(q.list)/2 {
		q.list = append([]*Entry(nil), q.all()...)
		q.off = 0
	}
}

// above returns the entries with an id above after.
func (q *queue) above(after ID) []*Entry {
	all := q.all()
	if n := len(all); n == 0 || all[n-1].ID <= after {
		return nil
	}
	return all[sort.Search(len(all), func(i int) bool { return all[i].ID > after }):]
}

func newWindows(maxBytes int64) *windows {
	return &windows{memory: memory{max: maxBytes}, feeds: make(map[string]*window)}
}

// start sets the position from which on everything will be here.
func (w *windows) start(head ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.head, w.base, w.exact = max(w.head, head), head, head
}

// apply takes in a commit: it fills all windows and only then moves the head,
// so that no reader sees a part of it.
func (w *windows) apply(c *Commit) {
	entries := make([]Entry, len(c.Items))
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range c.Items {
		e := &entries[i]
		e.Item, e.before, e.memory = c.Items[i], c.Before[i], &w.memory
		w.linkLocked(e)
	}
	for _, r := range c.Trimmed {
		w.exact = max(w.exact, r.ID)
		if f := w.feeds[r.Feed]; f != nil {
			f.exact = max(f.exact, r.ID)
		}
	}
	for _, r := range c.Purged {
		w.purgeLocked(r)
	}
	for _, r := range c.Removed {
		w.removeLocked(r)
	}
	w.evictLocked()
	if c.Opening != nil {
		w.head = max(w.head, c.Opening.Time)
	}
	if n := len(c.Items); n > 0 {
		w.head = c.Items[n-1].ID
	}
}

func (w *windows) linkLocked(e *Entry) {
	f := w.feeds[e.Feed]
	if f == nil {
		f = &window{floor: e.before, exact: e.before}
		w.feeds[e.Feed] = f
	}
	f.entries.push(e)
	w.tail.push(e)
	w.memory.used.Add(e.cost())
}

// purgeLocked takes out what was purged. A reader that has not read that yet is
// below the floor now. So it reads from the store, which tells it of the loss.
func (w *windows) purgeLocked(r Removal) {
	w.base, w.exact = max(w.base, r.ID), max(w.exact, r.ID)
	f := w.feeds[r.Feed]
	if f == nil {
		return
	}
	f.floor, f.exact = max(f.floor, r.ID), max(f.exact, r.ID)
	for _, e := range f.entries.all() {
		if e.ID > r.ID {
			break
		}
		f.entries.pop()
		w.buryLocked(e)
	}
	w.dropEmptyLocked(r.Feed, f)
	w.compactLocked()
}

// removeLocked takes out a single item; that is no loss, so no floor moves.
func (w *windows) removeLocked(r Removal) {
	f := w.feeds[r.Feed]
	if f == nil {
		return
	}
	all := f.entries.all()
	i := sort.Search(len(all), func(i int) bool { return all[i].ID >= r.ID })
	if i == len(all) || all[i].ID != r.ID {
		return
	}
	w.buryLocked(all[i])
	rest := make([]*Entry, 0, len(all)-1)
	f.entries = queue{list: append(append(rest, all[:i]...), all[i+1:]...)}
	w.dropEmptyLocked(r.Feed, f)
	w.compactLocked()
}

// rates returns how many items a second each feed got between two ids. If the
// window does not reach back so far, it is the rate of what is there.
func (w *windows) rates(feeds []string, from, to ID) []float64 {
	rates := make([]float64, 0, len(feeds))
	for some := range slices.Chunk(feeds, rateFeeds) {
		rates = w.appendRates(rates, some, from, to)
	}
	return rates
}

func (w *windows) appendRates(rates []float64, feeds []string, from, to ID) []float64 {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, feed := range feeds {
		rate := 0.0
		if f := w.feeds[feed]; f != nil {
			begin := max(from, f.floor)
			if took := to.Time().Sub(begin.Time()); took > 0 {
				rate = float64(len(f.entries.above(begin))) / took.Seconds()
			}
		}
		rates = append(rates, rate)
	}
	return rates
}

func (w *windows) dropEmptyLocked(feed string, f *window) {
	if len(f.entries.all()) == 0 {
		delete(w.feeds, feed)
	}
}

func (w *windows) buryLocked(e *Entry) {
	e.gone = true
	e.evict()
	w.dead += e.cost()
}

// compactLocked gives back the memory of gone entries once they take half of
// what is in use.
func (w *windows) compactLocked() {
	if w.dead < compactBytes || w.dead < w.memory.used.Load()/2 {
		return
	}
	var alive []*Entry
	for _, e := range w.tail.all() {
		if !e.gone {
			alive = append(alive, e)
		}
	}
	w.tail = queue{list: alive}
	w.memory.used.Add(-w.dead)
	w.dead = 0
}

// evictLocked takes out the oldest entries until freeShare of the memory is
// free.
func (w *windows) evictLocked() {
	for w.memory.used.Load() > w.memory.max-w.memory.max/freeShare && len(w.tail.all()) > 0 {
		w.evictOldestLocked()
	}
}

func (w *windows) evictOldestLocked() {
	e := w.tail.all()[0]
	w.tail.pop()
	e.evict()
	w.memory.used.Add(-e.cost())
	w.base, w.exact = max(w.base, e.ID), max(w.exact, e.ID)
	if e.gone {
		w.dead -= e.cost()
		return
	}
	f := w.feeds[e.Feed]
	f.entries.pop()
	f.floor, f.exact = max(f.floor, e.ID), max(f.exact, e.ID)
	w.dropEmptyLocked(e.Feed, f)
}

// expire takes out what came before a time, so that an idle feed takes no
// memory. It does so in steps, and gives up the lock between them.
func (w *windows) expire(before time.Time) {
	for more := true; more; {
		w.mu.Lock()
		for range expireStep {
			all := w.tail.all()
			if more = len(all) > 0 && all[0].Time.Before(before); !more {
				break
			}
			w.evictOldestLocked()
		}
		w.mu.Unlock()
	}
}

// newest returns the head.
func (w *windows) newest() ID {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.head
}

// deliver returns what comes next for the cursor, or false if the windows do
// not reach back far enough and the log must be asked.
func (w *windows) deliver(c *Cursor, b Bounds, now time.Time) (Delivery, bool) {
	if !c.target.plain {
		return w.deliverAny(c, b, now)
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	d := Delivery{Through: w.head, atHead: true, windowed: true}
	if c.after >= w.head {
		d.Through = c.after
		return d, true
	}
	names := c.target.names
	if len(names) == 1 {
		from, ok := w.feedLocked(names[0], c)
		if !ok {
			return Delivery{}, false
		}
		take(&d, c, b, now, from)
		return d, true
	}
	lists := make([][]*Entry, 0, len(names))
	for _, name := range names {
		from, ok := w.feedLocked(name, c)
		if !ok {
			return Delivery{}, false
		}
		if len(from) > 0 {
			lists = append(lists, from)
		}
	}
	take(&d, c, b, now, lists...)
	return d, true
}

// deliverAny is deliver for a selection with patterns. It matches entries
// without the lock, because a commit waits for the lock, and a selection may
// have many patterns. An entry that is taken out meanwhile may be delivered: it
// was there when the lock was held.
func (w *windows) deliverAny(c *Cursor, b Bounds, now time.Time) (Delivery, bool) {
	d := Delivery{Through: c.after, windowed: true}
	var few [8]*Entry // live readers find one or a few entries: no allocation
	had, bytes := few[:0], 0
	for scanned := 0; ; scanned += glanceEntries {
		var through ID
		var more, ok bool
		had, through, more, ok = w.glance(had[:0], d.Through, c.live)
		if !ok {
			d.More = d.Through > c.after // what follows is gone by now
			return d, d.More
		}
		for _, e := range had {
			if c.target.sel.Has(e.Feed) && c.target.sel.HasEvent(e.Event) && !e.Expired(now) {
				if n := len(d.Entries); n == b.Items || n > 0 && bytes+e.Size() > b.Bytes {
					d.More = true
					return d, true
				}
				bytes += e.Size()
				d.Entries = append(d.Entries, e)
			}
			d.Through = e.ID
		}
		d.Through = through
		if !more || scanned+glanceEntries >= scanEntries {
			d.More, d.atHead = more, !more
			return d, true
		}
	}
}

// glance looks at the next entries of all feeds above after. It appends those
// to list that are not gone, and returns how far it looked, and whether there
// is more; false if some of them are not here any more.
func (w *windows) glance(list []*Entry, after ID, live bool) (_ []*Entry, through ID, more, ok bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if after >= w.head {
		return list, after, false, true
	}
	if after < w.base || !live && after < w.exact {
		return list, after, false, false
	}
	next := w.tail.above(after)
	if more = len(next) > glanceEntries; more {
		next = next[:glanceEntries]
	}
	for _, e := range next {
		if !e.gone {
			list = append(list, e)
		}
	}
	if !more {
		return list, w.head, false, true
	}
	return list, next[glanceEntries-1].ID, true, true
}

// find returns the entry with an id, or nil if that is gone; and false if the
// windows do not reach back so far.
func (w *windows) find(id ID, now time.Time) (*Entry, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if id <= w.base {
		return nil, false
	}
	if list := w.tail.above(id - 1); len(list) > 0 && list[0].ID == id && !list[0].gone && !list[0].Expired(now) {
		return list[0], true
	}
	return nil, true
}

// feedLocked returns the feed's entries above the cursor, or false if the
// cursor is below the floor that holds for its reader.
func (w *windows) feedLocked(name string, c *Cursor) ([]*Entry, bool) {
	f := w.feeds[name]
	if f == nil {
		// Whatever the feed has above base would be here.
		return nil, c.after >= w.base && (c.live || c.after >= w.exact)
	}
	if c.after < f.floor || !c.live && c.after < f.exact {
		return nil, false
	}
	return f.entries.above(c.after), true
}

// take merges the lists in the order of ids into the delivery, as far as the
// bounds allow.
func take(d *Delivery, c *Cursor, b Bounds, now time.Time, lists ...[]*Entry) {
	bytes, through := 0, c.after
	for scanned := 0; ; scanned++ {
		next := -1
		for i, l := range lists {
			if len(l) > 0 && (next < 0 || l[0].ID < lists[next][0].ID) {
				next = i
			}
		}
		if next < 0 {
			return
		}
		e := lists[next][0]
		skip := e.gone || !c.target.sel.HasEvent(e.Event) || e.Expired(now)
		n := len(d.Entries)
		if scanned == scanEntries || !skip && (n == b.Items || n > 0 && bytes+e.Size() > b.Bytes) {
			d.Through, d.More, d.atHead = through, true, false
			return
		}
		lists[next] = lists[next][1:]
		through = e.ID
		if !skip {
			bytes += e.Size()
			d.Entries = append(d.Entries, e)
		}
	}
}
