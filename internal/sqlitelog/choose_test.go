package sqlitelog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"feedd/internal/selector"
	"feedd/internal/stream"
)

// P4: a commit that trims may fall between any two steps of a Read. A page must
// not leave out an item without its loss. (Choosing the feeds before the
// snapshot is fixed does, and fails here.)
func TestP4_a_trim_before_the_snapshot_is_told(t *testing.T) {
	l, read := blockedRead(t)
	publish(t, l, 2) // trims two of the first three, while the reader is at the gate
	l.gate.Unlock()
	page := <-read
	if len(page.Items) != 1 || page.Loss == nil || page.Loss.Resume >= page.Items[0].ID {
		t.Errorf("got %d items and the loss %+v, want the third, and the loss of two", len(page.Items), page.Loss)
	}
}

// P4: a feed that was emptied and forgotten between two steps of a Read is
// still told as lost.
func TestP4_a_feed_forgotten_before_the_snapshot_is_told(t *testing.T) {
	l, read := blockedRead(t)
	if _, err := l.Purge(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	forget := &op{do: func(tx *tx) error {
		tx.now = tx.now.Add(2 * time.Hour)
		_, err := tx.sweep(1, 1)
		return err
	}}
	if err := l.queue.put(forget); err != nil {
		t.Fatal(err)
	}
	l.gate.Unlock() // to forget needs it
	<-forget.done
	page := <-read
	if page.Loss == nil {
		t.Errorf("got %d items and no loss of a feed that is gone", len(page.Items))
	}
}

// P4: a feed that was forgotten and is made again between two steps of a Read is
// in the registry, and not in the snapshot: its loss is the mark's.
func TestP4_the_loss_of_a_feed_that_is_made_again_is_told(t *testing.T) {
	for _, others := range []int{0, manySuspects} {
		l, err := Open(t.TempDir(), stream.StoreOptions{Retention: func(string) stream.Retention {
			return stream.Retention{MaxAge: time.Hour}
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		names := []string{"a"}
		for i := range others { // they have lost what the reader was told of
			names = append(names, fmt.Sprintf("other%d", i))
			if _, err := l.Append(t.Context(), stream.Batch{Feed: names[i+1], Drafts: []stream.Draft{{Data: []byte("x")}}}); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Purge(t.Context(), names[i+1]); err != nil {
				t.Fatal(err)
			}
		}
		last := publish(t, l, 3)
		if _, err := l.Purge(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if err := l.do(t.Context(), &op{do: func(tx *tx) error {
			tx.now = tx.now.Add(2 * time.Hour)
			_, err := tx.sweep(1, 1)
			return err
		}}); err != nil {
			t.Fatal(err)
		}
		sel, err := selector.Parse(strings.Join(names, ","), len(names))
		if err != nil {
			t.Fatal(err)
		}
		r := <-l.readers
		defer func() { l.readers <- r }()
		if err := run(r.begin); err != nil {
			t.Fatal(err)
		}
		// The steps of Read, with a commit behind the first.
		s := &scan{now: time.Now(), q: stream.Query{
			Select: sel, After: l.openings[0].Time, LossTold: last - 1, UpTo: last, Items: 10, Bytes: 1000,
		}}
		r.mark.BindText(1, markForgotten)
		forgotten, err := number(r.mark)
		if err != nil || forgotten == 0 {
			t.Fatalf("the mark is %d, error %v", forgotten, err)
		}
		s.forgotten = stream.ID(forgotten)
		publish(t, l, 1)
		l.choose(s)
		if err := errors.Join(s.read(r), s.losses(r), run(r.end)); err != nil {
			t.Fatal(err)
		}
		if s.loss == nil || s.loss.Through != last {
			t.Errorf("with %d others: the loss is %+v, want that of the feed that was forgotten", others, s.loss)
		}
	}
}

// blockedRead starts a Read of three items, which waits at the gate.
func blockedRead(t *testing.T) (*Log, <-chan stream.Page) {
	t.Helper()
	l, err := Open(t.TempDir(), stream.StoreOptions{Retention: func(string) stream.Retention {
		return stream.Retention{MaxItems: 3, MaxAge: time.Hour}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	last := publish(t, l, 3)
	sel, err := selector.Parse("a", 1)
	if err != nil {
		t.Fatal(err)
	}
	l.gate.Lock()
	read := make(chan stream.Page, 1)
	go func() {
		page, err := l.Read(context.Background(), stream.Query{
			Select: sel, After: l.openings[0].Time, UpTo: last, Items: 10, Bytes: 1000,
		})
		if err != nil {
			t.Error(err)
		}
		read <- page
	}()
	// It has taken a reading connection, so that all before the gate is done.
	for tick := time.NewTicker(time.Millisecond); len(l.readers) == readers; <-tick.C {
	}
	return l, read
}

func publish(t *testing.T, l *Log, n int) stream.ID {
	t.Helper()
	b := stream.Batch{Feed: "a"}
	for range n {
		b.Drafts = append(b.Drafts, stream.Draft{Data: []byte("x")})
	}
	r, err := l.Append(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return r.Last
}
