package sqlitelog_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"feedd/internal/sqlitelog"
	"feedd/internal/stream"
)

// P2: while the next start would open other files than the open ones nothing is
// acknowledged, and nothing is changed; readers go on. With the files back in
// their places publishing works again, and the store holds exactly what was
// acknowledged.
func TestP2_nothing_is_acknowledged_that_the_next_start_would_not_find(t *testing.T) {
	move := func(t *testing.T, from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	replace := func(t *testing.T, name string) (back func()) { // by a copy of itself
		move(t, name, name+".away")
		duplicate(t, name+".away", name)
		return func() { move(t, name+".away", name) }
	}
	for _, c := range []struct {
		name, says string
		away       func(t *testing.T, dir string) (back func())
	}{
		{"the database is gone", "feedd.db is gone", func(t *testing.T, dir string) func() {
			move(t, dir+"/feedd.db", dir+"/x")
			return func() { move(t, dir+"/x", dir+"/feedd.db") }
		}},
		{"the database is a copy", "feedd.db is another file", func(t *testing.T, dir string) func() {
			return replace(t, dir+"/feedd.db")
		}},
		{"the WAL is gone", "feedd.db-wal is gone", func(t *testing.T, dir string) func() {
			move(t, dir+"/feedd.db-wal", dir+"/x")
			return func() { move(t, dir+"/x", dir+"/feedd.db-wal") }
		}},
		{"the WAL is a copy", "feedd.db-wal is another file", func(t *testing.T, dir string) func() {
			return replace(t, dir+"/feedd.db-wal")
		}},
		{"the index of the WAL is gone", "feedd.db-shm is gone", func(t *testing.T, dir string) func() {
			move(t, dir+"/feedd.db-shm", dir+"/x")
			return func() { move(t, dir+"/x", dir+"/feedd.db-shm") }
		}},
		{"the directory is gone", "feedd.db is gone", func(t *testing.T, dir string) func() {
			move(t, dir, dir+".away")
			return func() { move(t, dir+".away", dir) }
		}},
		{"the directory is a copy", "feedd.db is another file", func(t *testing.T, dir string) func() {
			move(t, dir, dir+".away")
			duplicate(t, dir+".away", dir)
			return func() {
				move(t, dir, dir+".copy")
				move(t, dir+".away", dir)
			}
		}},
		{"the directory is a file", "feedd.db cannot be looked at: not a directory", func(t *testing.T, dir string) func() {
			move(t, dir, dir+".away")
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return func() {
				os.Remove(dir)
				move(t, dir+".away", dir)
			}
		}},
		{"a link leads elsewhere", "feedd.db is gone", func(t *testing.T, dir string) func() {
			move(t, dir, dir+".away")
			other := t.TempDir()
			if err := os.Symlink(other, dir); err != nil {
				t.Fatal(err)
			}
			return func() {
				os.Remove(dir)
				move(t, dir+".away", dir)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			l := mustOpen(t, dir, stream.StoreOptions{})
			keyed := batch("news", 1, 10)
			keyed.Key = "again"
			first, err := l.Append(t.Context(), keyed)
			if err != nil {
				t.Fatal(err)
			}
			back := c.away(t, dir)
			time.Sleep(2 * sqlitelog.LookFor)
			for what, do := range map[string]func() error{
				"a publish":                 func() error { _, err := l.Append(t.Context(), batch("news", 2, 10)); return err },
				"a publish that is a retry": func() error { _, err := l.Append(t.Context(), keyed); return err },
				"a purge":                   func() error { _, err := l.Purge(t.Context(), "news"); return err },
				"a deletion":                func() error { _, err := l.Delete(t.Context(), "news", first.First); return err },
				"a setting":                 func() error { return l.SetRetention(t.Context(), "news", &stream.Retention{MaxItems: 5}) },
				"a probe":                   func() error { return l.Probe(t.Context()) },
				"a look":                    l.InPlace,
			} {
				err := do()
				if !errors.Is(err, stream.ErrDetached) || errors.Is(err, stream.ErrOutcomeUnknown) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s fails with %v, want %q", what, err, c.says)
				} else if strings.Contains(err.Error(), dir) {
					t.Errorf("%s tells publishers of a path: %v", what, err)
				}
			}
			if got := readAll(t, l); !slices.Equal(got, []stream.ID{first.First}) {
				t.Errorf("meanwhile readers get %v, want %v", got, first.First)
			}
			back()
			if err := l.InPlace(); err != nil {
				t.Errorf("it is back in its place: %v", err)
			}
			last := mustAppend(t, l, "news", 1, 10)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if got, want := readAll(t, mustOpen(t, dir, stream.StoreOptions{})), []stream.ID{first.First, last.First}; !slices.Equal(got, want) {
				t.Errorf("after a restart there is %v, want %v", got, want)
			}
		})
	}
}

// P2: what goes away during a commit that takes long is told as
// of unknown outcome. A retry settles it, once the files are back.
func TestP2_files_that_go_during_a_commit(t *testing.T) {
	dir := t.TempDir()
	db := filepath.Join(dir, "feedd.db")
	looks := 0
	l := mustOpen(t, dir, stream.StoreOptions{Guard: func() error {
		switch looks++; looks {
		case 1: // before the commit, which so takes long
			time.Sleep(2 * sqlitelog.LookFor)
		case 2:
			return os.Rename(db, db+".away")
		}
		return nil
	}})
	b := batch("news", 1, 10)
	b.Key = "once"
	if _, err := l.Append(t.Context(), b); !errors.Is(err, stream.ErrOutcomeUnknown) || !errors.Is(err, stream.ErrDetached) {
		t.Fatalf("it fails with %v", err)
	}
	if err := os.Rename(db+".away", db); err != nil {
		t.Fatal(err)
	}
	if r, err := l.Append(t.Context(), b); err != nil || !r.Replayed {
		t.Errorf("the retry: %+v, %v, want the first receipt", r, err)
	}
}

// What StoreOptions.Guard says goes for the store.
func TestGuard_RefusesCommits(t *testing.T) {
	no := fmt.Errorf("%w: says the guard", stream.ErrDetached)
	var says error
	l := mustOpen(t, t.TempDir(), stream.StoreOptions{Guard: func() error { return says }})
	mustAppend(t, l, "news", 1, 10)
	says = no
	time.Sleep(2 * sqlitelog.LookFor)
	if _, err := l.Append(t.Context(), batch("news", 1, 10)); !errors.Is(err, no) || errors.Is(err, stream.ErrOutcomeUnknown) {
		t.Errorf("it fails with %v", err)
	}
	if got := readAll(t, l); len(got) != 1 {
		t.Errorf("it holds %v", got)
	}
}

// A database that is a link has its WAL where the link leads.
func TestOpen_ADatabaseThatIsALink(t *testing.T) {
	home, dir := t.TempDir(), t.TempDir()
	if err := mustOpen(t, home, stream.StoreOptions{}).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(home, "feedd.db"), filepath.Join(dir, "feedd.db")); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, dir, stream.StoreOptions{})
	mustAppend(t, l, "news", 1, 10)
	eventually(t, "the WAL counts", func() bool { return l.Usage().WAL > 0 })
	if err := os.Remove(filepath.Join(home, "feedd.db-wal")); err != nil {
		t.Fatal(err)
	}
	if err := l.InPlace(); !errors.Is(err, stream.ErrDetached) {
		t.Errorf("without its WAL it says %v", err)
	}
}

func readAll(t *testing.T, l *sqlitelog.Log) (ids []stream.ID) {
	t.Helper()
	for _, it := range mustRead(t, l) {
		ids = append(ids, it.ID)
	}
	return ids
}

// duplicate copies as an operator does. Another process does it, because to open
// and close the database here, beside SQLite, would drop SQLite's locks.
func duplicate(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-r", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// BenchmarkInPlace is what a commit pays for it, twice.
func BenchmarkInPlace(b *testing.B) {
	l, err := sqlitelog.Open(b.TempDir(), stream.StoreOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for b.Loop() {
		if err := l.InPlace(); err != nil {
			b.Fatal(err)
		}
	}
}
