package sqlitelog_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"feedd/internal/stream"
)

// outsider is another program that reads the database, as the sqlite3 tool
// does.
type outsider struct{ conn *sqlite.Conn }

func readFromOutside(t *testing.T, dir string) *outsider {
	t.Helper()
	conn, err := sqlite.OpenConn(filepath.Join(dir, "feedd.db"), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	for _, q := range []string{"BEGIN", "SELECT count(*) FROM item"} {
		if err := sqlitex.ExecuteTransient(conn, q, nil); err != nil {
			t.Fatal(err)
		}
	}
	return &outsider{conn}
}

func (o *outsider) end(t *testing.T) {
	t.Helper()
	if err := sqlitex.ExecuteTransient(o.conn, "COMMIT", nil); err != nil {
		t.Fatal(err)
	}
}

// logged is a log that a test looks into.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), part)
}

func storeSize(t *testing.T, dir string) (wal, both int64) {
	t.Helper()
	for _, name := range []string{"feedd.db", "feedd.db-wal"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		wal, both = info.Size(), both+info.Size()
	}
	return wal, both
}

// P6: while another program reads the database the WAL cannot start again, and
// each publish makes it longer. So it counts in what the store may hold; the
// operator is told; and it is short again when that program has ended.
func TestP6_an_outside_reader_does_not_make_the_disk_grow(t *testing.T) {
	const most, size = 8 << 20, 13_000
	dir := t.TempDir()
	out := new(logged)
	l := mustOpen(t, dir, stream.StoreOptions{
		Bytes: most, Logger: slog.New(slog.NewTextHandler(out, nil)),
		Retention: func(string) stream.Retention { return stream.Retention{MaxItems: 100} },
	})
	for range 200 { // so that there are free pages, too
		mustAppend(t, l, "news", 1, size)
	}
	if n := l.Usage().Unmoved; n != 0 {
		t.Errorf("with no other reader the WAL could not be moved %d times", n)
	}
	o := readFromOutside(t, dir)
	var err error
	for n := 0; err == nil; n++ {
		_, err = l.Append(t.Context(), batch("news", 1, size))
		if n > 10*most/size {
			t.Fatal("the store is never full")
		}
	}
	if !errors.Is(err, stream.ErrFull) || !strings.Contains(err.Error(), "WAL") {
		t.Errorf("a publish: %v, want ErrFull, and why", err)
	}
	if _, both := storeSize(t, dir); both > most+1<<20 {
		t.Errorf("the store takes %d bytes, more than %d", both, most)
	}
	if u := l.Usage(); u.Bytes < most-size || u.WAL < most/2 || u.Unmoved == 0 {
		t.Errorf("the usage of the full store is %+v", u)
	}
	// What makes room, and who reads, is not stopped.
	items := mustRead(t, l)
	if _, err := l.Delete(t.Context(), "news", items[0].ID); err != nil {
		t.Errorf("deleting: %v", err)
	}
	if _, err := l.Purge(t.Context(), "news"); err != nil {
		t.Errorf("purging: %v", err)
	}
	eventually(t, "the log says that the WAL cannot be moved", func() bool { return out.count("the WAL cannot be moved") > 0 })
	eventually(t, "it is tried again", func() bool { return l.Usage().Unmoved > 5 })
	if n := out.count("the WAL cannot be moved"); n != 1 {
		t.Errorf("the log says so %d times within a minute", n)
	}
	o.end(t)
	eventually(t, "the WAL is short again, though nobody publishes", func() bool {
		wal, _ := storeSize(t, dir)
		return wal < 1<<20
	})
	eventually(t, "publishing goes on", func() bool {
		_, err := l.Append(t.Context(), batch("news", 1, size))
		return err == nil
	})
}

// P6: a WAL that is long only for one large commit does not keep a small store
// full, nor does a batch make it larger than it may be.
func TestP6_a_large_batch_in_a_small_store(t *testing.T) {
	const most = 4 << 20
	dir := t.TempDir()
	l := mustOpen(t, dir, stream.StoreOptions{Bytes: most, Retention: func(string) stream.Retention {
		return stream.Retention{MaxItems: 1}
	}})
	if _, err := l.Append(t.Context(), batch("news", 1, most)); !errors.Is(err, stream.ErrFull) {
		t.Errorf("a batch as large as the store: %v, want ErrFull", err)
	}
	for i := range 10 {
		eventually(t, "there is room again for the batch", func() bool {
			_, err := l.Append(t.Context(), batch("news", 1, most/4))
			if err != nil && !errors.Is(err, stream.ErrFull) {
				t.Fatal(err)
			}
			return err == nil
		})
		if _, both := storeSize(t, dir); both > 2*most {
			t.Errorf("after %d batches the store takes %d bytes, it may have %d", i+1, both, most)
		}
	}
}
