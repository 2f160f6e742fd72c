package sqlitelog

import (
	"errors"
	"testing"
	"time"

	"feedd/internal/stream"
)

// P3: where a source stands is what is committed, not what an attempt saw that
// found no room and was taken back: an upstream that reads on behind that would
// miss what was refused.
func TestP3_a_source_stands_where_it_was_committed(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	commits := 0
	l, err := Open(t.TempDir(), stream.StoreOptions{BeforeCommit: func() error {
		switch commits++; commits {
		case 1:
			close(entered)
			<-release
		case 2:
			return stream.ErrNoSpace
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	draft := []stream.Draft{{Data: []byte("x")}}
	appended, at := make(chan error), make(chan string)
	waits := func(n int) {
		for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
			l.queue.mu.Lock()
			waiting := len(l.queue.ops)
			l.queue.mu.Unlock()
			if waiting == n {
				return
			}
		}
	}
	first := make(chan struct{})
	go func() {
		defer close(first)
		if _, err := l.Append(t.Context(), stream.Batch{Feed: "a", Drafts: draft}); err != nil {
			t.Error(err)
		}
	}()
	<-entered
	go func() {
		_, err := l.Append(t.Context(), stream.Batch{Feed: "a", Drafts: draft, Source: stream.Source{Name: "u", At: "1"}})
		appended <- err
	}()
	waits(1)
	go func() {
		s, err := l.SourceAt(t.Context(), "u")
		if err != nil {
			t.Error(err)
		}
		at <- s
	}()
	waits(2)
	close(release)
	if err := <-appended; !errors.Is(err, stream.ErrNoSpace) {
		t.Errorf("the batch without room: error %v, want %v", err, stream.ErrNoSpace)
	}
	if s := <-at; s != "" {
		t.Errorf("the source stands at %q, and nothing of it is stored", s)
	}
	<-first
}
