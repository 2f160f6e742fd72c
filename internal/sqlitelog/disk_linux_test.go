package sqlitelog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"feedd/internal/sqlitelog"
	"feedd/internal/stream"
)

// disk is a file system of a size of its own, mounted for one test.
type disk struct {
	t   *testing.T
	dir string
}

func mountDisk(t *testing.T, mib int) *disk {
	t.Helper()
	d := &disk{t: t, dir: t.TempDir()}
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", mib)); err != nil {
		t.Skipf("no file system can be mounted here (it takes root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", d.dir, err)
		}
	})
	return d
}

func (d *disk) remount(flags uintptr) {
	d.t.Helper()
	if err := syscall.Mount("", d.dir, "", syscall.MS_REMOUNT|flags, ""); err != nil {
		d.t.Fatalf("mounting it again: %v", err)
	}
}

// fill takes all room of the disk, as another program would.
func (d *disk) fill() {
	d.t.Helper()
	f, err := os.OpenFile(d.filler(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *disk) clear() {
	d.t.Helper()
	if err := os.Remove(d.filler()); err != nil {
		d.t.Fatal(err)
	}
}

func (d *disk) filler() string { return filepath.Join(d.dir, "filler") }

// publishUntilFull publishes until the disk is full, at least once.
func publishUntilFull(t *testing.T, l *sqlitelog.Log, feed string) {
	t.Helper()
	mustAppend(t, l, feed, 1, 100_000)
	for {
		if _, err := l.Append(t.Context(), batch(feed, 1, 100_000)); errors.Is(err, stream.ErrNoSpace) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// publishes reports whether the store takes items.
func publishes(t *testing.T, l *sqlitelog.Log) bool {
	t.Helper()
	_, err := l.Append(t.Context(), batch("news", 1, 1000))
	if err != nil && !errors.Is(err, stream.ErrNoSpace) && !errors.Is(err, stream.ErrReadOnly) {
		t.Fatal(err)
	}
	return err == nil
}

const reserved = 16 << 20

// P6: whatever filled the disk, what is there can be read, and what makes room
// is done, also after starts on the full disk; once there is room, publishing
// goes on by itself.
func TestP6_what_makes_room_works_on_a_full_disk(t *testing.T) {
	for name, tt := range map[string]struct {
		reserve int64
		foreign bool // another program takes what feedd left
		stolen  bool // and the reserve, too
	}{
		"that feedd filled":                         {reserve: reserved},
		"that another program filled":               {reserve: reserved, foreign: true},
		"that feedd filled, without a reserve kept": {reserve: reserved, stolen: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := mountDisk(t, 16)
			opts := stream.StoreOptions{Reserve: tt.reserve}
			l := mustOpen(t, d.dir, opts)
			mustAppend(t, l, "small", 10, 10)
			publishUntilFull(t, l, "news")
			if tt.foreign {
				d.fill()
			}
			if tt.stolen {
				if err := os.Remove(filepath.Join(d.dir, "reserve")); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Probe(t.Context()); !errors.Is(err, stream.ErrNoSpace) {
				t.Errorf("the probe of a full disk: %v", err)
			}
			for range 2 { // and a start more
				stored := mustRead(t, l)
				if found, err := l.Delete(t.Context(), "news", stored[len(stored)-1].ID); err != nil || !found {
					t.Fatalf("deleting an item: found %v, error %v", found, err)
				}
				if err := l.SetRetention(t.Context(), "small", &stream.Retention{MaxItems: 5}); err != nil {
					t.Fatalf("setting a retention: %v", err)
				}
				if err := l.SetRetention(t.Context(), "small", nil); err != nil {
					t.Fatalf("taking a retention back: %v", err)
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				l = mustOpen(t, d.dir, opts)
				// Of the small items five may be trimmed.
				if n, want := len(mustRead(t, l)), len(stored)-1; n != want && n != want-5 {
					t.Fatalf("a start on the full disk reads %d items, want %d", n, want)
				}
			}
			if _, err := l.Purge(t.Context(), "news"); err != nil {
				t.Fatalf("purging: %v", err)
			}
			if tt.foreign {
				d.clear()
			}
			eventually(t, "publishing goes on when there is room", func() bool { return publishes(t, l) && l.Probe(t.Context()) == nil })
			if n := l.Usage().Reserve; n == 0 {
				t.Error("no reserve is kept for the next time")
			}
		})
	}
}

// P2, P6: publishes and purges that wait together are in one transaction. When
// it does not fit, the publishes are refused, and the purges done.
func TestP6_a_purge_is_not_refused_with_the_publishes_beside_it(t *testing.T) {
	d := mountDisk(t, 16)
	l := mustOpen(t, d.dir, stream.StoreOptions{Reserve: reserved})
	publishUntilFull(t, l, "news")
	l.Close()
	l = mustOpen(t, d.dir, stream.StoreOptions{Reserve: reserved})
	d.fill() // behind its back, so that it finds out in a commit
	ctx, stop := context.WithCancel(t.Context())
	var publishers sync.WaitGroup
	var stored atomic.Int64
	for range 4 {
		publishers.Go(func() {
			for ctx.Err() == nil {
				if _, err := l.Append(ctx, batch("other", 10, 10_000)); err == nil {
					stored.Add(10)
				} else if !errors.Is(err, stream.ErrNoSpace) && ctx.Err() == nil {
					t.Errorf("a publish on the full disk: %v", err)
				}
			}
		})
	}
	_, err := l.Purge(ctx, "news")
	stop()
	publishers.Wait()
	if err != nil {
		t.Fatalf("purging: %v", err)
	}
	for _, it := range mustRead(t, l) {
		if it.Feed != "other" {
			t.Fatalf("item %s of %s is there after the purge", it.ID, it.Feed)
		}
	}
	if n := len(mustRead(t, l)); n < int(stored.Load()) {
		t.Errorf("of %d items that were acknowledged %d are there", stored.Load(), n)
	}
}

// P6: the reserve is there, whatever an operator removed in search of room, and
// what the metric says is so.
func TestP6_a_reserve_that_was_removed_is_made_again(t *testing.T) {
	d := mountDisk(t, 16)
	l := mustOpen(t, d.dir, stream.StoreOptions{Reserve: reserved})
	size := l.Usage().Reserve
	name := filepath.Join(d.dir, "reserve")
	held := func() bool {
		info, err := os.Stat(name)
		return err == nil && info.Size() == size && l.Usage().Reserve == size
	}
	if size == 0 || !held() {
		t.Fatalf("a new store has no reserve of %d bytes", size)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the reserve is made again", held)
	d.fill()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	d.fill()
	eventually(t, "it is known that there is none", func() bool { return l.Usage().Reserve == 0 })
	if publishes(t, l) {
		t.Error("publishing goes on without a reserve")
	}
	d.clear()
	eventually(t, "publishing goes on", func() bool { return publishes(t, l) })
	if !held() {
		t.Error("publishing goes on without a reserve")
	}
}

// P6: age takes what is too old though the disk is full.
func TestP6_a_full_disk_is_trimmed_by_age(t *testing.T) {
	d := mountDisk(t, 16)
	var ahead atomic.Int64
	l := mustOpen(t, d.dir, stream.StoreOptions{
		Reserve:   reserved,
		Retention: func(string) stream.Retention { return stream.Retention{MaxAge: time.Hour} },
		Now:       func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	publishUntilFull(t, l, "news")
	d.fill()
	ahead.Store(int64(2 * time.Hour))
	eventually(t, "nothing older than an hour is kept", func() bool { return l.Usage().Items == 0 })
	d.clear()
	eventually(t, "publishing goes on", func() bool { return publishes(t, l) })
}

// P6: a batch that does not fit is refused, and stops no other.
func TestP6_a_batch_that_does_not_fit_is_refused_alone(t *testing.T) {
	d := mountDisk(t, 16)
	l := mustOpen(t, d.dir, stream.StoreOptions{Reserve: reserved})
	if _, err := l.Append(t.Context(), batch("news", 13, 1<<20)); !errors.Is(err, stream.ErrNoSpace) {
		t.Errorf("13 MiB on a disk of 16 MiB: %v", err)
	}
	mustAppend(t, l, "news", 1, 1000)
}

// P2, P3, P4: a store that cannot be written when it is opened is read all the
// same; once it can be written, its opening is committed, and no position that
// was given meanwhile is denied.
func TestP4_a_store_that_cannot_be_written_is_read(t *testing.T) {
	type world struct {
		*disk
		dir string
	}
	for name, tt := range map[string]struct {
		prevent, allow func(world)
		want           error
	}{
		"the disk is full": {
			prevent: func(w world) { w.fill() },
			allow:   func(w world) { w.clear() },
			want:    stream.ErrNoSpace,
		},
		"the disk is read-only": {
			prevent: func(w world) { w.remount(syscall.MS_RDONLY) },
			allow:   func(w world) { w.remount(0) },
			want:    stream.ErrReadOnly,
		},
	} {
		for _, clean := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, stopped cleanly %v", name, clean), func(t *testing.T) {
				w := world{disk: mountDisk(t, 16)}
				w.dir = filepath.Join(w.disk.dir, "a?b#c%20d")
				if err := os.Mkdir(w.dir, 0o700); err != nil {
					t.Fatal(err)
				}
				at, known := leave(t, w.dir, clean)
				tt.prevent(w)

				l := mustOpen(t, w.dir, stream.StoreOptions{Reserve: reserved})
				hub := stream.NewHub(l, stream.HubOptions{})
				t.Cleanup(func() { l.Close(); hub.Close() })
				if n := len(l.Openings()); n != 1 {
					t.Errorf("there are %d openings, want the one that was committed", n)
				}
				if hub.Head() != known.Last {
					t.Errorf("the head is %s, want the newest item's %s", hub.Head(), known.Last)
				}
				cur, err := hub.Open(t.Context(), all(t), stream.StartAfter(at.String()))
				if err != nil {
					t.Fatal(err)
				}
				follow(t, hub, cur, "", 99)
				if _, err := l.Append(t.Context(), batch("news", 1, 10)); !errors.Is(err, tt.want) {
					t.Errorf("a publish: error %v, want %v", err, tt.want)
				}
				if err := l.Probe(t.Context()); !errors.Is(err, tt.want) {
					t.Errorf("the probe: error %v, want %v", err, tt.want)
				}

				tt.allow(w)
				eventually(t, "publishing works once the store can be written", func() bool { return publishes(t, l) })
				openings := l.Openings()
				if len(openings) != 2 || openings[1].Last < known.Last {
					t.Fatalf("the openings are %+v, want a second one behind %s", openings, known.Last)
				}
				follow(t, hub, cur, "", 1)
				for position, want := range map[stream.ID]string{known.Last: "", openings[1].Time - 1: "unknown"} {
					cur, err := hub.Open(t.Context(), all(t), stream.StartAfter(position.String()))
					if err != nil {
						t.Fatal(err)
					}
					follow(t, hub, cur, want, 1)
				}
			})
		}
	}
}

// P2, P6: the disk that counts is the one that the database is on, and its WAL is
// beside it, where the data directory has a link only.
func TestP2_a_database_on_another_disk(t *testing.T) {
	d := mountDisk(t, 16)
	leave(t, d.dir, false)
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(d.dir, "feedd.db"), filepath.Join(dir, "feedd.db")); err != nil {
		t.Fatal(err)
	}
	d.remount(syscall.MS_RDONLY)
	l := mustOpen(t, dir, stream.StoreOptions{Reserve: reserved})
	l.OnCommit(func(stream.Commit) {})
	if n := len(mustRead(t, l)); n != 100 {
		t.Errorf("%d items are read while the disk is read-only, want 100", n)
	}
	d.remount(0)
	eventually(t, "publishing works", func() bool { return publishes(t, l) })
	publishUntilFull(t, l, "news")
	d.fill()
	if _, err := l.Purge(t.Context(), "news"); err != nil {
		t.Errorf("purging on the full disk: %v", err)
	}
}

// leave makes a store with 100 items and stops it, cleanly or as a crash would.
func leave(t *testing.T, dir string, clean bool) (first stream.ID, r stream.Receipt) {
	t.Helper()
	made := dir
	if !clean {
		made = t.TempDir()
	}
	l := mustOpen(t, made, stream.StoreOptions{})
	r = mustAppend(t, l, "news", 100, 1000)
	if !clean {
		for _, name := range []string{"feedd.db", "feedd.db-wal"} {
			copyFile(t, filepath.Join(made, name), filepath.Join(dir, name))
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return r.First, r
}

// follow reads on, and expects a gap of the reason and a number of items.
func follow(t *testing.T, hub *stream.Hub, cur *stream.Cursor, reason string, items int) {
	t.Helper()
	d, err := hub.Next(t.Context(), cur, stream.Bounds{Items: 1000, Bytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	if d.Gap != nil {
		got = string(d.Gap.Reason)
	}
	if got != reason || len(d.Entries) != items {
		t.Errorf("got %d items and a gap of the reason %q, want %d and %q", len(d.Entries), got, items, reason)
	}
	cur.Advance(&d)
}
