package memlog

import (
	"context"
	"fmt"
	"slices"
	"time"

	"feedd/internal/clip"
	"feedd/internal/stream"
)

// task is work for the committer.
type task struct {
	run      func()
	finished chan struct{}
}

// do has the committer run a task, and waits for its end. It returns an error
// when the task was not taken, or when ctx ended: then the committer may
// still run it, so the caller must not touch what run writes to.
func (l *Log) do(ctx context.Context, run func()) error {
	if err := l.usable(ctx); err != nil {
		return err
	}
	t := &task{run, make(chan struct{})}
	select {
	case l.tasks <- t:
	case <-l.closing:
		return stream.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-t.finished:
		return nil
	case <-ctx.Done():
		return &stream.UnfinishedError{Err: ctx.Err(), Done: t.finished}
	}
}

// commit is the committer. Open starts it, Close ends it.
func (l *Log) commit() {
	defer close(l.done)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var s sweep
	for {
		select {
		case <-l.closing:
			return
		case t := <-l.tasks:
			t.run()
			close(t.finished)
		case <-tick.C:
			s.begin()
		case <-s.more:
			l.sweepOn(&s)
		}
	}
}

// change makes one change, in the committer: it calls f with mu held, and then the
// OnCommit function with what f did. What ran out by then is removed first, so that it neither
// counts nor is counted as lost.
func (l *Log) change(f func(now time.Time, c *stream.Commit)) {
	var c stream.Commit
	now := l.now()
	l.mu.Lock()
	c.Removed = l.expireLocked(now)
	f(now, &c)
	l.compactLocked()
	onCommit := l.onCommit
	l.mu.Unlock()
	if onCommit != nil && len(c.Items)+len(c.Trimmed)+len(c.Purged)+len(c.Removed) > 0 {
		onCommit(c)
	}
}

// expireLocked removes the items whose ttl ran out. That is no loss.
func (l *Log) expireLocked(now time.Time) []stream.Removal {
	if !l.ttls.due(now) {
		return nil
	}
	var gone []stream.Removal
	touched := make(map[*feed]bool)
	for l.ttls.due(now) {
		e := l.ttls[0]
		gone = append(gone, stream.Removal{Feed: e.feed.name, ID: e.item.ID})
		touched[e.feed] = true
		l.dropLocked(e)
	}
	for f := range touched {
		f.items = slices.DeleteFunc(f.items, func(e *entry) bool { return e.feed == nil })
	}
	return gone
}

// trimLocked brings a feed within its retention.
func (l *Log) trimLocked(f *feed, now time.Time, c *stream.Commit) {
	if n := f.excess(now); n > 0 {
		l.loseLocked(f, n, stream.Trimmed)
		c.Trimmed = append(c.Trimmed, stream.Removal{Feed: f.name, ID: f.lost.id})
	}
}

// forgetKeysLocked brings the keys within their bounds.
func (l *Log) forgetKeysLocked(now time.Time) {
	if n := l.keys.stale(now); n > 0 {
		l.keys.forget(n)
		l.bytes -= int64(n) * keyCost
	}
}

// sweepFeeds is how many feeds the committer looks at before it takes the next
// task: some 100 us.
const sweepFeeds = 1000

// sweep is how far the committer has come in looking at all feeds.
type sweep struct {
	more chan struct{} // ready while there is more to look at, else nil
	from string        // the first feed that was not looked at
}

func (s *sweep) begin() {
	if s.more == nil {
		s.more = make(chan struct{})
		close(s.more)
	}
}

// sweepOn goes on with a sweep: it removes what ran out by time in some feeds. It
// looks without the mutex, as only the committer may, so that readers wait only if
// there is something to remove.
func (l *Log) sweepOn(s *sweep) {
	now := l.now()
	var due []*feed
	looked := 0
	c := l.names.Load().Seek(s.from)
	for ; c.Valid() && looked < sweepFeeds; c.Next() {
		looked++
		if f := c.Value(); f.excess(now) > 0 || f.idle(now) {
			due = append(due, f)
		}
	}
	if s.from = ""; c.Valid() {
		s.from = c.Key()
	} else {
		s.more = nil
	}
	if len(due) == 0 && !l.ttls.due(now) && l.keys.stale(now) == 0 {
		return
	}
	l.change(func(now time.Time, c *stream.Commit) {
		l.forgetKeysLocked(now)
		names := l.names.Load().Edit()
		for _, f := range due {
			l.trimLocked(f, now, c)
			if f.idle(now) {
				l.forgotten.raise(f.lost.id, f.lost.reason)
				delete(l.feeds, f.name)
				names.Delete(f.name)
				l.bytes -= feedCost
			}
		}
		m := names.Done()
		l.names.Store(&m)
	})
}

// failed wraps what went wrong in an Append.
func failed(feed string, err error) error {
	return fmt.Errorf("append to %s: %w", clip.Text(feed), err)
}
