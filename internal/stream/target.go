package stream

import (
	"sync/atomic"

	"feedd/internal/selector"
)

// Target is a selection, and what is known of it in advance. Cursors that
// select the same may share one: see [Hub.Share].
type Target struct {
	sel   selector.Selection
	names []string // of a selection without patterns
	plain bool     // it is one

	// These fields are used only by a target that is shared.
	in        *interest   // nil for one that is not shared
	holders   int         // guarded by interest.editMu
	listeners []*Listener // guarded by interest.mu
}

func newTarget(sel selector.Selection) *Target {
	t := &Target{sel: sel}
	t.names, t.plain = sel.Names()
	return t
}

// Selection returns what the target selects.
func (t *Target) Selection() selector.Selection { return t.sel }

// Share makes the cursor and all readers that select the same share one Target,
// and returns it; it has listeners. Release gives it back. Share may wait for
// other calls of Share.
func (h *Hub) Share(c *Cursor) *Target {
	c.target = h.wakes.hold(c.target.sel)
	return c.target
}

// Release takes back a Share. It does not wait.
func (t *Target) Release() { t.in.drop(t) }

// Listener is told of items that a Target selects.
type Listener struct {
	target  *Target
	at      int // its place in target.listeners; guarded by interest.mu
	notify  func(first ID)
	readers atomic.Int32
}

// Listen has notify called after commits that touched a shared target, in the
// order of commits, with an id at or below that of the first item that came
// after the last call. Several commits may give one call, and a call may come
// without an item for the target. notify must neither block nor call the hub.
// Close ends the calls.
func (t *Target) Listen(notify func(first ID)) *Listener {
	l := &Listener{target: t, notify: notify}
	t.in.attach(l)
	return l
}

// AddReaders changes by n how many readers wait with this listener: see
// [Hub.Readers].
func (l *Listener) AddReaders(n int) { l.readers.Add(int32(n)) }

// Close ends the listener; its target stays shared. It does not wait.
func (l *Listener) Close() { l.target.in.detach(l) }
