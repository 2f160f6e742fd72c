package disk_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"feedd/internal/disk"
)

// P6: the reserve is real, is given up once, and is made again when there is room.
func TestRoom_Reserve(t *testing.T) {
	dir := t.TempDir()
	var logged bytes.Buffer
	const size = 1 << 20
	r := disk.NewRoom(dir, size, 0, slog.New(slog.NewTextHandler(&logged, nil)))
	r.Start()
	if r.Reserve() != size || r.Held() != size || r.Stopped() {
		t.Fatalf("the reserve is %d of %d, stopped %v", r.Held(), r.Reserve(), r.Stopped())
	}
	if n := disk.FileSize(filepath.Join(dir, "reserve")); n != size {
		t.Errorf("its file has %d bytes", n)
	}
	r.Stop(nil)
	if r.Take(1, 0) || r.Scant() {
		t.Error("a publish has room on a disk that is full, or there is no reserve")
	}
	if !r.GiveReserve() || r.GiveReserve() || r.Held() != 0 || !r.Scant() {
		t.Error("the reserve is not given up once")
	}
	r.Look(true)
	if r.Stopped() || r.Held() != size || !r.Take(1, 0) {
		t.Error("publishing does not go on with room")
	}
	if s := logged.String(); !strings.Contains(s, "the disk is full") || !strings.Contains(s, "has room again") {
		t.Errorf("the log says %s", s)
	}
}

// A store that may hold little has a small reserve, and one without a reserve
// needs none.
func TestRoom_SizeOfTheReserve(t *testing.T) {
	for _, c := range []struct{ reserve, store, want int64 }{{0, 0, 0}, {0, 1 << 20, 0}, {8 << 20, 16 << 20, 4 << 20}, {8 << 20, 1 << 20, 256 << 10}} {
		r := disk.NewRoom(t.TempDir(), c.reserve, c.store, slog.New(slog.DiscardHandler))
		if got := r.Reserve(); got != c.want {
			t.Errorf("of %d bytes for a store of %d: %d, want %d", c.reserve, c.store, got, c.want)
		}
	}
}

// Files are known by what they are, not by their names.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	name, other := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files, err := disk.Identify(name, other)
	if err != nil || files.Complete() {
		t.Fatalf("complete without %s, or %v", other, err)
	}
	check := func(want string) {
		t.Helper()
		if err := files.Check(); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	check("")
	if err := os.Rename(name, other); err != nil {
		t.Fatal(err)
	}
	check("a is gone")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check("a is another file than the open one")
	if _, err := os.Stat("/proc/self/fd"); err == nil {
		var replaced *disk.ReplacedError
		if _, err := disk.Identify(name); !errors.As(err, &replaced) {
			t.Errorf("a file that is not open is identified: %v", err)
		}
	}
	if err := os.Rename(other, name); err != nil {
		t.Fatal(err)
	}
	check("")
}
