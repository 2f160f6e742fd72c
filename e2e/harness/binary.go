package harness

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Binary returns the path of feedd: FEEDD_TEST_BINARY, or one built without the
// race detector, as its users have it.
func Binary(t testing.TB) string {
	t.Helper()
	return Build(t)
}

// Build returns the path of a feedd built with flags of go build, or
// FEEDD_TEST_BINARY. What was built stays in bin, and is built again only where
// something has changed.
func Build(t testing.TB, flags ...string) string {
	t.Helper()
	if path := os.Getenv("FEEDD_TEST_BINARY"); path != "" {
		return path
	}
	path := filepath.Join(Root(t), "bin", "e2e"+strings.Join(flags, ""), "feedd")
	if err := build(Root(t), path, flags); err != nil {
		t.Fatal(err)
	}
	return path
}

// building is held while a binary is built: within this process, so that each is
// built once.
var building struct {
	sync.Mutex
	done map[string]error // by path
}

func build(root, path string, flags []string) error {
	building.Lock()
	defer building.Unlock()
	if err, done := building.done[path]; done {
		return err
	}
	if building.done == nil {
		building.done = make(map[string]error)
	}
	err := buildLocked(root, path, flags)
	building.done[path] = err
	return err
}

// buildLocked builds while no other process does: go test runs the tests of
// several folders at a time, and the second of them finds all done.
func buildLocked(root, path string, flags []string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), "./cmd/feedd")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// Root returns the directory of the project: the one above with cmd/feedd.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "cmd", "feedd")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("there is no cmd/feedd above the test's")
		}
		dir = filepath.Dir(dir)
	}
}

// ReadFile returns a file of the project, such as deploy/nginx.conf.
func ReadFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sideBySide is how many tests run at a time, at least: browsers and servers
// wait more than they work, so there may be more of them than processors.
const sideBySide = 3

// Main runs the tests of a package.
func Main(m *testing.M) {
	flag.Parse()
	if n, err := strconv.Atoi(flag.Lookup("test.parallel").Value.String()); err == nil {
		flag.Set("test.parallel", strconv.Itoa(max(n, sideBySide)))
	}
	// Go would take a pass from its cache, because it does not see that the
	// server has changed. If it gets no list of what the tests read, it keeps
	// nothing.
	flag.Set("test.testlogfile", "")
	os.Exit(m.Run())
}
