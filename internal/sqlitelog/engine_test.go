package sqlitelog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"feedd/internal/selector"
	"feedd/internal/sqlitelog"
	"feedd/internal/stream"
)

func mustOpen(t *testing.T, dir string, opts stream.StoreOptions) *sqlitelog.Log {
	t.Helper()
	l, err := sqlitelog.OpenBusily(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func mustAppend(t *testing.T, l *sqlitelog.Log, feed string, n, size int) stream.Receipt {
	t.Helper()
	r, err := l.Append(t.Context(), batch(feed, n, size))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustRead(t *testing.T, l *sqlitelog.Log) []stream.Item {
	t.Helper()
	p, err := l.Read(t.Context(), stream.Query{Select: all(t), UpTo: stream.MaxID, Items: 10_000, Bytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	return p.Items
}

func batch(feed string, n, size int) stream.Batch {
	b := stream.Batch{Feed: feed, Drafts: make([]stream.Draft, n)}
	for i := range b.Drafts {
		b.Drafts[i].Data = bytes.Repeat([]byte{'a' + byte(i%26)}, size)
	}
	return b
}

func all(t *testing.T) selector.Selection {
	t.Helper()
	sel, err := selector.Parse("**", 1)
	if err != nil {
		t.Fatal(err)
	}
	return sel
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// P6: with readers whose pages overlap without end, the WAL starts again at
// its beginning: it does not grow with what is written.
func TestP6_overlapping_readers_do_not_let_the_WAL_grow(t *testing.T) {
	dir := t.TempDir()
	const most = 2 << 20 // of the WAL, in a store of eight times that
	l := mustOpen(t, dir, stream.StoreOptions{
		Bytes:     8 * most,
		Retention: func(string) stream.Retention { return stream.Retention{MaxItems: 300} },
	})
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	var pages atomic.Int64
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if _, err := l.Read(ctx, stream.Query{Select: all(t), UpTo: stream.MaxID, Items: 150, Bytes: 1 << 20}); err == nil {
					pages.Add(1)
				}
			}
		})
	}
	var longest, written int64
	for written < 4*most {
		mustAppend(t, l, "a", 50, 4000)
		written += 50 * 4000
		info, err := os.Stat(filepath.Join(dir, "feedd.db-wal"))
		if err != nil {
			t.Fatal(err)
		}
		longest = max(longest, info.Size())
	}
	stop()
	readers.Wait()
	t.Logf("%d MiB written beside %d pages read; the WAL had at most %d KiB", written>>20, pages.Load(), longest>>10)
	// Beside the limit: what is committed between two looks, 256 KiB and a batch,
	// and what trimming writes.
	if pages.Load() == 0 || longest > 2*most {
		t.Errorf("the WAL grew to %d bytes, more than %d (%d pages were read)", longest, 2*most, pages.Load())
	}
}

// P6: what a purge frees goes back to the file system.
func TestP6_space_is_given_back(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, stream.StoreOptions{})
	// Space is given back when more than 4 MiB are free.
	const batches = 16
	for range batches {
		mustAppend(t, l, "a", 100, 4000)
	}
	mustAppend(t, l, "b", 10, 1000)
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, "feedd.db"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	if n, err := l.Purge(t.Context(), "a"); n != batches*100 || err != nil {
		t.Fatalf("purged %d items, error %v", n, err)
	}
	eventually(t, "the file is below 1 MiB again", func() bool { return size() < 1<<20 })
}

// A file that is no database of ours is an error that names it: never a new
// store in its place.
func TestDamageIsNeverANewStore(t *testing.T) {
	for name, damage := range map[string]func(file string) error{
		"the header is overwritten": func(file string) error { return overwrite(file, 0, 100) },
		"the file is empty":         func(file string) error { return os.Truncate(file, 0) },
		"the file is cut":           func(file string) error { return os.Truncate(file, 5000) },
		"it is another program's":   func(file string) error { return otherDatabase(file) },
		"the feeds are overwritten": func(file string) error { return overwrite(file, 4096, 1<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := mustOpen(t, dir, stream.StoreOptions{})
			mustAppend(t, l, "a", 100, 100)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "feedd.db")
			if err := damage(file); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			l, err = sqlitelog.Open(dir, stream.StoreOptions{})
			if err == nil {
				l.Close()
				t.Fatal("the damaged store was opened")
			}
			if !strings.Contains(err.Error(), file) {
				t.Errorf("the error does not name the file: %v", err)
			}
			if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the damaged file was changed (error %v)", err)
			}
		})
	}
}

func overwrite(file string, at, n int64) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, int(min(n, info.Size()-at))), at)
	return err
}

func otherDatabase(file string) error {
	if err := os.Remove(file); err != nil {
		return err
	}
	conn, err := sqlite.OpenConn(file, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return err
	}
	return errors.Join(sqlitex.ExecuteTransient(conn, "CREATE TABLE cake (recipe)", nil), conn.Close())
}

// P2, P3, P4: the data are copied while the store runs and put back later, by
// cp. A reader at an id that the copy does not know is told, also after newer
// items came; a reader at an id that it knows goes on.
func TestP4_an_older_copy_put_back_is_noticed(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	l := mustOpen(t, dir, stream.StoreOptions{})
	known := mustAppend(t, l, "a", 1, 10)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	copyFile(t, filepath.Join(dir, "feedd.db"), filepath.Join(copied, "feedd.db"))
	l = mustOpen(t, dir, stream.StoreOptions{})
	lost := mustAppend(t, l, "a", 1, 10)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	l = mustOpen(t, copied, stream.StoreOptions{})
	hub := stream.NewHub(l, stream.HubOptions{})
	defer hub.Close()
	defer l.Close()
	fresh := mustAppend(t, l, "a", 1, 10)
	if fresh.First <= lost.Last {
		t.Fatalf("P1: id %s was given again, or passed: %s", fresh.First, lost.Last)
	}
	for position, want := range map[stream.ID]string{known.First: "", lost.First: "unknown"} {
		cur, err := hub.Open(t.Context(), all(t), stream.StartAfter(position.String()))
		if err != nil {
			t.Fatal(err)
		}
		d, err := hub.Next(t.Context(), cur, stream.Bounds{Items: 10, Bytes: 1000})
		if err != nil {
			t.Fatal(err)
		}
		reason := ""
		if d.Gap != nil {
			reason = string(d.Gap.Reason)
		}
		if reason != want || len(d.Entries) != 1 || d.Entries[0].ID != fresh.First {
			t.Errorf("a reader at %s got the gap %+v and %d items", position, d.Gap, len(d.Entries))
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// P2: someone with the sqlite3 tool who holds a write lock for longer than
// feedd waits makes publishes fail, and nothing is stored; then all goes on.
func TestP2_a_foreign_lock_fails_publishes_and_loses_nothing(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, stream.StoreOptions{})
	first := mustAppend(t, l, "a", 1, 10)
	if err := l.WaitForLocks(t.Context(), 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	conn, err := sqlite.OpenConn(filepath.Join(dir, "feedd.db"), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := sqlitex.ExecuteTransient(conn, "BEGIN IMMEDIATE", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), batch("a", 1, 10)); err == nil {
		t.Error("a publish was acknowledged while somebody else held the lock")
	}
	if err := sqlitex.ExecuteTransient(conn, "ROLLBACK", nil); err != nil {
		t.Fatal(err)
	}
	last := mustAppend(t, l, "a", 1, 10)
	page, err := l.Read(t.Context(), stream.Query{Select: all(t), UpTo: stream.MaxID, Items: 10, Bytes: 1000})
	if err != nil || len(page.Items) != 2 || page.Items[0].ID != first.First || page.Items[1].ID != last.First {
		t.Errorf("stored is %+v (error %v), want the first and the last", page.Items, err)
	}
}

// The opening is on disk before readers are told of it.
func TestOpeningsAreKept(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := range 3 {
		l := mustOpen(t, dir, stream.StoreOptions{})
		o := l.Openings()
		if len(o) != i+1 {
			t.Fatalf("opening %d: there are %d", i, len(o))
		}
		want = append(want, fmt.Sprint(o[i]))
		for j := range o {
			if fmt.Sprint(o[j]) != want[j] {
				t.Errorf("opening %d is %v, was %s", j, o[j], want[j])
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
