package sqlitelog

import (
	"context"
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
	untilQueued(l, 1)
	go func() {
		s, err := l.SourceAt(t.Context(), "u")
		if err != nil {
			t.Error(err)
		}
		at <- s
	}()
	untilQueued(l, 2)
	close(release)
	if err := <-appended; !errors.Is(err, stream.ErrNoSpace) {
		t.Errorf("the batch without room: error %v, want %v", err, stream.ErrNoSpace)
	}
	if s := <-at; s != "" {
		t.Errorf("the source stands at %q, and nothing of it is stored", s)
	}
	<-first
}

// P2: a deletion whose caller gives up is done all the same, and the caller learns
// when.
func TestP2_a_deletion_that_is_given_up_is_done(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	commits := 0
	l, err := Open(t.TempDir(), stream.StoreOptions{BeforeCommit: func() error {
		if commits++; commits == 2 {
			close(entered)
			<-release
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	last := publish(t, l, 1)
	published := make(chan struct{})
	go func() {
		defer close(published)
		publish(t, l, 1)
	}()
	<-entered
	ctx, giveUp := context.WithCancel(t.Context())
	deleted := make(chan error)
	go func() {
		_, err := l.Delete(ctx, "a", last)
		deleted <- err
	}()
	untilQueued(l, 1)
	giveUp()
	err = <-deleted
	var unfinished *stream.UnfinishedError
	if !errors.As(err, &unfinished) {
		t.Errorf("a deletion that is given up: error %v", err)
	}
	close(release)
	<-published
	if unfinished != nil {
		<-unfinished.Done
	}
	if n := l.Usage().Items; n != 1 {
		t.Errorf("there are %d items, want 1", n)
	}
}

// untilQueued waits until n operations wait for the committer.
func untilQueued(l *Log, n int) {
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
		l.queue.mu.Lock()
		waiting := len(l.queue.ops)
		l.queue.mu.Unlock()
		if waiting == n {
			return
		}
	}
}
