package sqlitelog

import (
	"context"
	"testing"
	"time"

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
	sel, err := stream.ParseSelector("a", 1)
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
