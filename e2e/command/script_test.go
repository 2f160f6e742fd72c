package command_test

import (
	"context"
	"feedd/e2e/harness"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) { harness.Main(m) }

// TestScripts runs the command as a user does: see testdata/*.txt.
func TestScripts(t *testing.T) {
	dir := t.TempDir() // where the shell finds feedd
	if err := os.Symlink(harness.Build(t, raceFlags...), filepath.Join(dir, "feedd")); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", dir+string(filepath.ListSeparator)+env.Getenv("PATH"))
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Getuid() == 0, nil
			case "mount":
				return mayMount(), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeport":  scriptFreePort,
			"await":     scriptAwait,
			"damage":    scriptDamage,
			"mountdisk": scriptMountDisk,
			"holdlock":  scriptHoldLock,
		},
	})
}

// scriptFreePort sets variables to addresses on which no server listens.
func scriptFreePort(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		address, free, err := harness.ReserveAddress()
		ts.Check(err)
		ts.Defer(free)
		ts.Setenv(name, address)
	}
}

// scriptAwait waits until the server at an address is ready, or with ! until no
// server listens there.
func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		resp, err := http.Get("http://" + args[0] + "/readyz")
		if err == nil {
			resp.Body.Close()
		}
		if !neg && err == nil && resp.StatusCode == http.StatusOK || neg && err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("await %s: %v", args[0], err)
		}
	}
}

// scriptMountDisk mounts a disk of its own at a new directory, with the given
// mount options.
func scriptMountDisk(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.Mkdir(dir, 0o755))
	ts.Check(mount(dir, args[1]))
	ts.Defer(func() { unmount(dir) })
}

func mount(dir, options string) error {
	return exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).Run()
}

func unmount(dir string) { exec.Command("umount", "-l", dir).Run() }

// mayMount reports whether disks can be mounted here: root in a container
// often may not.
var mayMount = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "feedd-mount-")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	if mount(dir, "size=1m") != nil {
		return false
	}
	unmount(dir)
	return true
})

// scriptDamage overwrites the beginning of a file.
func scriptDamage(ts *testscript.TestScript, neg bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY, 0)
	ts.Check(err)
	defer f.Close()
	_, err = f.WriteAt([]byte("this is no database any more, whatever it was before......"), 0)
	ts.Check(err)
}

// scriptHoldLock locks a file as versions of feedd did that knew no other lock,
// in place of who has it, until the script ends. With ! it must not be possible.
func scriptHoldLock(ts *testscript.TestScript, neg bool, args []string) {
	name := ts.MkAbs(args[0])
	if !neg {
		ts.Check(os.RemoveAll(name))
	}
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		ts.Check(err)
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case neg && err == nil:
			ts.Fatalf("%s was not locked", args[0])
		case neg:
			f.Close()
			return
		case err == nil:
			ts.Defer(func() { f.Close() })
			return
		}
		f.Close() // another test was faster
		ts.Check(os.RemoveAll(name))
	}
}
