package stream

import (
	"sync"

	"feedd/internal/selector"
)

// WaitFirst is Hub.Wait, for a waiter that is told what shards are: an id at
// or below the first item that came.
func (h *Hub) WaitFirst(sel selector.Selection, notify func(first ID)) *Waiter {
	return &Waiter{listener: h.wakes.hold(sel).Listen(notify)}
}

// Wake wakes the listeners of the items of a commit.
func (h *Hub) Wake(items []Item) { h.wakes.wake(items) }

// HoldEdits keeps the tree of terms from being changed, as a change under way
// does, until release, which may be called again.
func (h *Hub) HoldEdits() (release func()) {
	h.wakes.editMu.Lock()
	return sync.OnceFunc(h.wakes.editMu.Unlock)
}

// ComeAndGo is a reader that comes and goes.
func (h *Hub) ComeAndGo(s selector.Selection) {
	t := h.wakes.hold(s)
	h.wakes.dropped = append(h.wakes.dropped, t)
	h.wakes.dropAll()
}
