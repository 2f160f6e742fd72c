package stream

// WatchFirst is Hub.Watch, for a waiter that is told what shards are: an id at
// or below the first item that came.
func (h *Hub) WatchFirst(sel Selection, notify func(first ID)) *Waiter {
	return h.wakes.add(newTarget(sel), notify)
}

// Wake wakes those who wait for the items of a commit.
func (h *Hub) Wake(items []Item) { h.wakes.wake(items) }
