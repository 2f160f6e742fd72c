package streamtest

import (
	"slices"
	"sync"
	"sync/atomic"

	"feedd/internal/stream"
)

// record is an OnCommit function that writes down what it is told.
type record struct {
	inside  atomic.Bool // a call is going on
	overlap atomic.Bool // two calls were going on at once

	mu      sync.Mutex // guards the fields below
	head    stream.ID
	commits []stream.Commit
}

func (r *record) onCommit(c stream.Commit) {
	if !r.inside.CompareAndSwap(false, true) {
		r.overlap.Store(true)
	}
	defer r.inside.Store(false)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commits = append(r.commits, c)
	for i := range c.Items {
		r.head = max(r.head, c.Items[i].ID)
	}
}

// newest returns the newest position that was told: up to where a reader may
// read.
func (r *record) newest() stream.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.head
}

// told returns the commits so far, in the order in which they were told.
func (r *record) told() []stream.Commit {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.commits)
}

// items returns the items of all commits so far, in the order in which they
// were told.
func (r *record) items() []stream.Item {
	var all []stream.Item
	for _, c := range r.told() {
		all = append(all, c.Items...)
	}
	return all
}
