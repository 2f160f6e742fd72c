// Package registry is what is known of the feeds in memory, beside the database:
// for the committer, which alone changes it, and for readers, which look into it
// while it does.
package registry

import (
	"sync/atomic"
	"time"

	"feedd/internal/backlog"
	"feedd/internal/ordered"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

// Registry is an immutable set of feeds. The committer replaces it when feeds are
// made or forgotten, or lose something. Readers take the present one and walk
// over it without a lock, so that no walk, however long, holds up a commit. What
// changes with each publish is in the feeds: see [Feed].
type Registry struct {
	names   ordered.Map[string, *Feed]
	numbers ordered.Map[int64, *Feed]
	// losses are the highest losses of all feeds, each with the number of feeds
	// that have it: for LastLoss.
	losses ordered.Map[stream.ID, int]
}

// Len returns the number of feeds.
func (r *Registry) Len() int { return r.names.Len() }

// Get returns the feed of a name.
func (r *Registry) Get(name string) (*Feed, bool) { return r.names.Get(name) }

// ByNo returns the feed of a number.
func (r *Registry) ByNo(no int64) (*Feed, bool) { return r.numbers.Get(no) }

// From returns a cursor over the feeds from a name on, in the order of names.
func (r *Registry) From(name string) ordered.Cursor[string, *Feed] { return r.names.Seek(name) }

// Each calls fn for the feeds that a selection matches, until fn returns false.
func (r *Registry) Each(sel selector.Selection, fn func(*Feed) bool) {
	selector.Resolve(sel, r.names, fn)
}

// Newest returns the newest id of all feeds, 0 if there is none.
func (r *Registry) Newest() (newest stream.ID) {
	for c := r.names.All(); c.Valid(); c.Next() {
		newest = max(newest, c.Value().State().Newest)
	}
	return newest
}

// LastLoss returns the highest id up to the given one that is the highest loss of
// a feed.
func (r *Registry) LastLoss(id stream.ID) (stream.ID, bool) { return r.losses.Last(id) }

// Feed is one feed.
type Feed struct {
	// No is its number in the database, Name its name, and Configured the
	// retention that holds if it has none of its own. They never change.
	No         int64
	Name       string
	Configured stream.Retention

	state   atomic.Pointer[State]
	mayLost LossMark
}

// State is what changes of a feed: its row in the database.
type State struct {
	Items  int
	Bytes  int64
	Oldest stream.ID // of the retained items, 0 for none
	Newest stream.ID // ever given, 0 for none
	Lost   stream.ID // highest id that retention or a purge took, 0 for none
	Reason stream.Reason
	Own    *stream.Retention // nil: the configured one holds
}

// NewFeed returns a feed in the given state.
func NewFeed(no int64, name string, configured stream.Retention, s State) *Feed {
	f := &Feed{No: no, Name: name, Configured: configured}
	f.state.Store(&s)
	f.mayLost.Raise(s.Lost)
	return f
}

// State returns the state after the latest commit. It must not be changed.
func (f *Feed) State() *State { return f.state.Load() }

// SetState makes a state known, which was committed.
func (f *Feed) SetState(s *State) { f.state.Store(s) }

// MayLost is a mark that is at least Lost in every snapshot that can be read: the
// committer raises it before the commit that raises Lost.
func (f *Feed) MayLost() *LossMark { return &f.mayLost }

// Retention returns what bounds the feed in the given state: its own retention,
// or the configured one.
func (f *Feed) Retention(s *State) stream.Retention {
	if s.Own != nil {
		return *s.Own
	}
	return f.Configured
}

// Exceeds reports whether the feed in the given state holds more than it may.
func (f *Feed) Exceeds(s *State, now time.Time) bool {
	return backlog.Exceeds(f.Retention(s), s.Items, s.Bytes, s.Oldest, now)
}

// Forgettable reports whether the feed in the given state is empty, has no
// retention of its own, and had no publish for its max age.
func (f *Feed) Forgettable(s *State, now time.Time) bool {
	age := f.Configured.MaxAge
	return s.Items == 0 && s.Own == nil && age > 0 && s.Newest < stream.IDAt(now.Add(-age))
}

// LossMark is a loss that only the committer raises and any goroutine reads.
type LossMark struct{ id atomic.Int64 }

// Get returns the loss, 0 for none.
func (m *LossMark) Get() stream.ID { return stream.ID(m.id.Load()) }

// Raise raises the mark to id, if that is higher.
func (m *LossMark) Raise(id stream.ID) {
	if id > m.Get() {
		m.id.Store(int64(id))
	}
}
