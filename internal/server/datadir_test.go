package server

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A data directory that cannot be written, read-only or full, is opened if it
// holds a store, because that can be read; it is locked as any other. One that
// holds none is refused.
func TestDataDir_ThatCannotBeWritten(t *testing.T) {
	if !mayMount() {
		t.Skip("a disk cannot be mounted here")
	}
	for _, c := range []struct {
		name, options string
		spoil         func(t *testing.T, disk string)
	}{
		{"read-only", "size=1m", func(t *testing.T, disk string) {
			if out, err := exec.Command("mount", "-o", "remount,ro", disk).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}},
		{"full", "size=1m,nr_inodes=4", func(t *testing.T, disk string) { // no room for one name more
			for i := range 4 {
				os.WriteFile(filepath.Join(disk, "ballast"+string('0'+rune(i))), bytes.Repeat([]byte{1}, 1<<20), 0o600)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := t.TempDir()
			if err := mount(disk, c.options); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { unmount(disk) })
			if err := os.WriteFile(filepath.Join(disk, "feedd.db"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			c.spoil(t, disk)
			var said bytes.Buffer
			log := slog.New(slog.NewTextHandler(&said, nil))
			d, err := openDataDir(disk, log)
			if err != nil {
				t.Fatal(err)
			}
			defer d.close()
			if key, err := d.adminKeyAtStart(log); err != nil || len(key) < 40 {
				t.Errorf("its key is %q, %v, want one that nobody knows", key, err)
			}
			if _, err := d.listenAdmin(); err == nil {
				t.Error("it has a socket")
			}
			if err := d.lock.inPlace(); err != nil {
				t.Error(err)
			}
			for _, want := range []string{"the data directory cannot be written", "there is no admin key"} {
				if !strings.Contains(said.String(), want) {
					t.Errorf("the log does not say %q:\n%s", want, said.String())
				}
			}
			if _, err := openDataDir(disk, log); err == nil || !strings.Contains(err.Error(), "in use by another feedd") {
				t.Errorf("a second time it is opened with %v", err)
			}
			if c.name == "read-only" {
				exec.Command("mount", "-o", "remount,rw", disk).Run()
			} else {
				os.Remove(filepath.Join(disk, "ballast0"))
				os.Remove(filepath.Join(disk, "ballast1"))
			}
			if !d.lock.keep() {
				t.Error("with room again it has no lock file")
			}
			if err := d.close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("no store", func(t *testing.T) {
		disk := t.TempDir()
		if err := mount(disk, "ro"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unmount(disk) })
		if _, err := openDataDir(disk, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "cannot be written") {
			t.Errorf("it is opened with %v", err)
		}
	})
}

// The lock is the directory's, by whatever path, and it goes with it.
func TestDataDir_IsHeldOnce(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	base := t.TempDir()
	data := filepath.Join(base, "data")
	d, err := openDataDir(data, log)
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{"its path": data, "a longer path": base + "/data/../data/", "a link": base + "/link"}
	if err := os.Symlink("data", paths["a link"]); err != nil {
		t.Fatal(err)
	}
	if mayMount() {
		bind := t.TempDir()
		if out, err := exec.Command("mount", "--bind", data, bind).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		t.Cleanup(func() { unmount(bind) })
		paths["a bind mount"] = bind
	}
	if err := os.Remove(filepath.Join(data, "lock")); err != nil {
		t.Fatal(err)
	}
	for what, path := range paths {
		if _, err := openDataDir(path, log); err == nil || !strings.Contains(err.Error(), "in use by another feedd") {
			t.Errorf("by %s it is opened with %v", what, err)
		}
	}
	away := filepath.Join(base, "away")
	if err := os.Rename(data, away); err != nil {
		t.Fatal(err)
	}
	if _, err := openDataDir(away, log); err == nil {
		t.Error("where it was moved to it is opened")
	}
	other, err := openDataDir(data, log)
	if err != nil {
		t.Fatalf("another one in its place: %v", err)
	}
	if err := d.lock.inPlace(); err == nil {
		t.Error("what is in its place is taken for it")
	}
	if err := other.close(); err != nil {
		t.Error(err)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
	again, err := openDataDir(away, log)
	if err != nil {
		t.Fatalf("it was given back: %v", err)
	}
	again.close()
}

// What stands where a data directory should be is named.
func TestDataDir_ThatIsNone(t *testing.T) {
	base := t.TempDir()
	if err := os.WriteFile(base+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nowhere/to/be/found", base+"/link"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"file": "file is no directory", "link": "link is a link to /nowhere/to/be/found, which is not there"} {
		if _, err := openDataDir(filepath.Join(base, name), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
