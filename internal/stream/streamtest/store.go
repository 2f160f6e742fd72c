package streamtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"feedd/internal/selector"
	"feedd/internal/stream"
)

// reporter is what *testing.T and *rapid.T have in common here.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// store is an open store of the engine under test, with its clock, its hooks
// and what its OnCommit function was told after it was opened.
type store struct {
	stream.Engine
	t       reporter
	subject Subject
	dir     string
	opts    stream.StoreOptions
	clock   *clock
	hooks   *hooks
	record  *record
	start   stream.ID // what OnCommit returned at the opening
}

// open opens a new store, which is closed when the case ends. Clock and hooks
// of opts are the store's own.
func open(t *testing.T, s Subject, opts stream.StoreOptions) *store {
	t.Helper()
	st := &store{t: t, subject: s, dir: filepath.Join(t.TempDir(), "store"), clock: newClock(), hooks: new(hooks)}
	opts.Now = st.clock.Now
	opts.BeforeCommit, opts.AfterCommit = st.hooks.runBefore, st.hooks.runAfter
	st.opts = opts
	st.openDir()
	t.Cleanup(func() {
		st.heal()
		if err := st.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
		if st.record.overlap.Load() {
			t.Errorf("OnCommit: the function was called from two goroutines at once")
		}
	})
	return st
}

func (s *store) openDir() {
	s.t.Helper()
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		s.t.Fatalf("making the directory of the store: %v", err)
	}
	e, err := s.subject.Open(s.dir, s.opts)
	if err != nil {
		s.t.Fatalf("opening the store: %v", err)
	}
	s.Engine, s.record = e, new(record)
	s.start = e.OnCommit(s.record.onCommit)
	s.record.head = s.start
}

// reopen closes the store and opens it again, a second later.
func (s *store) reopen() {
	s.t.Helper()
	s.shut()
	s.clock.move(time.Second)
	s.openDir()
}

func (s *store) shut() {
	s.t.Helper()
	if err := s.Close(); err != nil {
		s.t.Fatalf("closing the store: %v", err)
	}
}

// copyDir copies what a closed store has on disk.
func (s *store) copyDir(from, to string) {
	s.t.Helper()
	if err := os.RemoveAll(to); err != nil {
		s.t.Fatalf("clearing %s: %v", to, err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		s.t.Fatalf("copying the store: %v", err)
	}
}

// text returns a batch of text items.
func text(feed string, data ...string) stream.Batch {
	b := stream.Batch{Feed: feed}
	for _, d := range data {
		b.Drafts = append(b.Drafts, stream.Draft{Data: []byte(d)})
	}
	return b
}

// keyed returns the batch under an idempotency key.
func keyed(b stream.Batch, key string) stream.Batch {
	b.Key = key
	return b
}

// put publishes text items, a millisecond after whatever was before.
func (s *store) put(feed string, data ...string) stream.Receipt {
	s.t.Helper()
	return s.publish(text(feed, data...))
}

// publish publishes a batch that must succeed, a millisecond after whatever
// was before.
func (s *store) publish(b stream.Batch) stream.Receipt {
	s.t.Helper()
	s.clock.move(time.Millisecond)
	rc, err := s.Append(context.Background(), b)
	if err != nil {
		s.t.Fatalf("Append of %d items to %s: %v", len(b.Drafts), b.Feed, err)
	}
	if rc.Feed != b.Feed || rc.Count != len(b.Drafts) || rc.First <= 0 || rc.Last != rc.First+stream.ID(rc.Count)-1 {
		s.t.Fatalf("Append of %d items to %s: the receipt %+v does not name as many consecutive ids of that feed", len(b.Drafts), b.Feed, rc)
	}
	return rc
}

// retain is a StoreOptions.Retention that is the same for all feeds.
func retain(r stream.Retention) func(string) stream.Retention {
	return func(string) stream.Retention { return r }
}

// sel parses a selector.
func (s *store) sel(text string, events ...string) selector.Selection {
	s.t.Helper()
	sel, err := selector.Parse(text, 256)
	if err != nil {
		s.t.Fatalf("parsing the selector %q: %v", text, err)
	}
	return sel.Only(events)
}

// info returns the state of a feed, and whether there is such a feed.
func (s *store) info(feed string) (stream.FeedInfo, bool) {
	s.t.Helper()
	infos, err := s.Feeds(context.Background(), s.sel(feed))
	if err != nil {
		s.t.Fatalf("Feeds of %s: %v", feed, err)
	}
	if len(infos) == 0 {
		return stream.FeedInfo{}, false
	}
	if len(infos) > 1 || infos[0].Name != feed {
		s.t.Fatalf("Feeds of the plain name %s: got %+v", feed, infos)
	}
	return infos[0], true
}

// purge purges a feed that must have n items.
func (s *store) purge(feed string, n int) {
	s.t.Helper()
	switch got, err := s.Purge(context.Background(), feed); {
	case err != nil:
		s.t.Fatalf("Purge of %s: %v", feed, err)
	case got != n:
		s.t.Errorf("Purge of %s: removed %d items, want %d", feed, got, n)
	}
}

// remove deletes an item that must be there.
func (s *store) remove(feed string, id stream.ID) {
	s.t.Helper()
	switch ok, err := s.Delete(context.Background(), feed, id); {
	case err != nil:
		s.t.Fatalf("Delete of %s in %s: %v", id, feed, err)
	case !ok:
		s.t.Errorf("Delete of %s in %s: there was no such item, but it was committed and nothing removed it", id, feed)
	}
}
