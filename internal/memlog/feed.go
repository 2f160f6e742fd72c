package memlog

import (
	"slices"
	"time"

	"feedd/internal/backlog"
	"feedd/internal/stream"
)

// feed is the state of one feed. It is guarded by Log.mu like the rest.
type feed struct {
	name       string
	configured stream.Retention
	own        *stream.Retention // set for this feed alone, nil: configured holds
	items      []*entry          // the retained ones, by id
	bytes      int64             // of items, by Item.Size
	newest     stream.ID         // of the newest item ever
	lost       mark
	touched    time.Time // when it was last published to or changed
}

// entry is a place in the order of the log. A removed one stays in Log.all
// until that is compacted, with no more than its id.
type entry struct {
	item    stream.Item // never written to while a reader may copy it: changed under mu
	feed    *feed       // nil: removed
	ttlSlot int         // index in Log.ttls, -1: not there
}

func (f *feed) retention() stream.Retention {
	if f.own != nil {
		return *f.own
	}
	return f.configured
}

// excess returns how many of the oldest items are too many at now.
func (f *feed) excess(now time.Time) (n int) {
	r, bytes := f.retention(), f.bytes
	for ; n < len(f.items); n++ {
		it := &f.items[n].item
		if !backlog.Exceeds(r, len(f.items)-n, bytes, it.ID, now) {
			break
		}
		bytes -= int64(it.Size())
	}
	return n
}

// idle reports whether the feed can be forgotten at now: it holds nothing, has no
// retention of its own, and was not touched for as long as an item may stay.
func (f *feed) idle(now time.Time) bool {
	age := f.configured.MaxAge
	return len(f.items) == 0 && f.own == nil && age > 0 && now.Sub(f.touched) > age
}

// feedLocked returns the feed. It makes it if there is none.
func (l *Log) feedLocked(name string, now time.Time) *feed {
	f := l.feeds[name]
	if f == nil {
		// It may be one that was forgotten, so it starts with that loss.
		f = &feed{name: name, lost: l.forgotten}
		if l.opts.Retention != nil {
			f.configured = l.opts.Retention(name)
		}
		l.feeds[name] = f
		names := l.names.Load().Edit()
		names.Set(name, f)
		m := names.Done()
		l.names.Store(&m)
		l.bytes += feedCost
	}
	f.touched = now
	return f
}

// loseLocked removes the n oldest items of a feed, which is a loss.
func (l *Log) loseLocked(f *feed, n int, reason stream.Reason) {
	for i, e := range f.items[:n] {
		f.lost.raise(e.item.ID, reason)
		l.dropLocked(e)
		f.items[i] = nil
	}
	f.items = f.items[n:]
	l.highest = max(l.highest, f.lost.id)
}

// dropLocked takes an entry out of everything but its feed's items. The caller
// does that, for many entries at once.
func (l *Log) dropLocked(e *entry) {
	size := e.item.Size()
	e.feed.bytes -= int64(size)
	l.bytes -= int64(size) + itemCost
	l.live--
	l.ttls.remove(e)
	e.feed = nil
	e.item = stream.Item{ID: e.item.ID} // readers hold copies; the data may go
}

// compactLocked drops removed entries from the order of all feeds when they
// are more than half of it. So each costs a constant, and their number is bounded
// by that of the live ones.
func (l *Log) compactLocked() {
	const small = 1024 // entries that are not worth it: 8 KiB
	if len(l.all) > 2*l.live+small {
		l.all = slices.DeleteFunc(l.all, func(e *entry) bool { return e.feed == nil })
	}
	if cap(l.all) > 4*len(l.all)+small {
		l.all = slices.Clone(l.all)
	}
}
