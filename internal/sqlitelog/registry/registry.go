package sqlitelog

import (
	"sync/atomic"

	"feedd/internal/ordered"
	"feedd/internal/stream"
)

// registry is what readers know of the feeds, beside the store itself. It is
// immutable: the committer replaces it when feeds come or go, or lose
// something. Readers take the one that is there and walk over it without a lock,
// so that no walk, however long, holds up a commit. What changes with each
// publish is in the feeds: see feed.
type registry struct {
	names   ordered.Map[string, *feed]
	numbers ordered.Map[int64, *feed]
	// losses are the highest losses of all feeds, and of how many each is: for
	// Floor.
	losses ordered.Map[stream.ID, int]
}

// feed is one feed, cached. The committer alone writes to it.
type feed struct {
	no         int64
	name       string
	configured stream.Retention

	// committed is the feed's row, after a commit. What it points to is never
	// changed.
	committed atomic.Pointer[state]
	// mayLost is at least lost in every snapshot that anybody can read: it is
	// raised before the commit that raises lost.
	mayLost lossMark
}

// state is what changes of a feed.
type state struct {
	items  int
	bytes  int64
	oldest stream.ID // of the retained items, 0 for none
	newest stream.ID // ever given, 0 for none
	lost   stream.ID
	reason stream.Reason
	own    *stream.Retention
}

func newFeed(no int64, name string, s state) *feed {
	f := &feed{no: no, name: name}
	f.committed.Store(&s)
	f.mayLost.raise(s.lost)
	return f
}

// lossMark is a loss that only the committer raises and anybody reads.
type lossMark struct{ id atomic.Int64 }

func (m *lossMark) get() stream.ID { return stream.ID(m.id.Load()) }

func (m *lossMark) raise(id stream.ID) {
	if id > m.get() {
		m.id.Store(int64(id))
	}
}

// registryEdit makes another registry.
type registryEdit struct {
	names   *ordered.Edit[string, *feed]
	numbers *ordered.Edit[int64, *feed]
	losses  *ordered.Edit[stream.ID, int]
	of      *registry
}

func (r *registry) edit() *registryEdit { return &registryEdit{of: r} }

// done returns the new registry, the old one where nothing was changed.
func (e *registryEdit) done() *registry {
	if e.names == nil && e.losses == nil {
		return e.of
	}
	r := *e.of
	if e.names != nil {
		r.names, r.numbers = e.names.Done(), e.numbers.Done()
	}
	if e.losses != nil {
		r.losses = e.losses.Done()
	}
	return &r
}

func (e *registryEdit) open() {
	if e.names == nil {
		e.names, e.numbers = e.of.names.Edit(), e.of.numbers.Edit()
	}
}

func (e *registryEdit) add(f *feed) {
	e.open()
	e.names.Set(f.name, f)
	e.numbers.Set(f.no, f)
	e.lose(0, f.committed.Load().lost)
}

func (e *registryEdit) remove(f *feed) {
	e.open()
	e.names.Delete(f.name)
	e.numbers.Delete(f.no)
	e.lose(f.committed.Load().lost, 0)
}

// lose notes that a feed's highest loss is another one; 0 is none.
func (e *registryEdit) lose(old, lost stream.ID) {
	if old == lost {
		return
	}
	if e.losses == nil {
		e.losses = e.of.losses.Edit()
	}
	for id, more := range map[stream.ID]int{old: -1, lost: 1} {
		if id == 0 {
			continue
		}
		if n, _ := e.losses.Get(id); n+more > 0 {
			e.losses.Set(id, n+more)
		} else {
			e.losses.Delete(id)
		}
	}
}
