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
	"testing"
)

// built is the binary of one way to build, made when the first test needs it.
type built struct {
	once sync.Once
	path string
	err  error
}

var (
	builds   sync.Map // the flags of go build -> *built
	buildDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "feedd-binary-") })
)

// Binary returns the path of feedd: FEEDD_TEST_BINARY, or one built without the
// race detector, as its users have it.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("FEEDD_TEST_BINARY"); path != "" {
		return path
	}
	return Build(t)
}

// Build returns the path of a feedd built with flags of go build. Its name is
// feedd, in a directory where nothing else is.
func Build(t testing.TB, flags ...string) string {
	t.Helper()
	key := strings.Join(flags, " ")
	made, _ := builds.LoadOrStore(key, new(built))
	b := made.(*built)
	b.once.Do(func() {
		var dir string
		if dir, b.err = buildDir(); b.err == nil {
			dir, b.err = os.MkdirTemp(dir, "")
		}
		if b.err != nil {
			return
		}
		b.path = filepath.Join(dir, "feedd")
		args := append(append([]string{"build", "-o", b.path}, flags...), "./cmd/feedd")
		cmd := exec.Command("go", args...)
		cmd.Dir = Root(t)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.path
}

// Root returns the directory of the project: the one above with a README.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "README.md")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("there is no directory with a README.md above the test's")
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

// Main runs the tests of a package and removes what was built for them.
func Main(m *testing.M) {
	flag.Parse()
	if n, err := strconv.Atoi(flag.Lookup("test.parallel").Value.String()); err == nil {
		flag.Set("test.parallel", strconv.Itoa(max(n, sideBySide)))
	}
	code := m.Run()
	if dir, err := buildDir(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}
