package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// builtOnce is the directory of the binary that the tests run, made when the
// first of them needs it.
var builtOnce struct {
	sync.Once
	dir string
	err error
}

// binary returns the path of feedd, built from here without the race detector:
// what its users run.
func binary(t *testing.T) string {
	t.Helper()
	b := &builtOnce
	b.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "feedd-binary-"); b.err != nil {
			return
		}
		if out, err := exec.Command("go", "build", "-o", filepath.Join(b.dir, "feedd"), "feedd/cmd/feedd").CombinedOutput(); err != nil {
			b.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return filepath.Join(b.dir, "feedd")
}

// tidy removes the binary when all tests are over.
type tidy struct{ *testing.M }

// Run runs the tests. Browsers and servers wait more than they
// work, so there may be more of them than processors.
func (m tidy) Run() int {
	flag.Parse()
	if n, err := strconv.Atoi(flag.Lookup("test.parallel").Value.String()); err == nil {
		flag.Set("test.parallel", strconv.Itoa(max(n, 3)))
	}
	defer func() {
		if builtOnce.dir != "" {
			os.RemoveAll(builtOnce.dir)
		}
	}()
	return m.M.Run()
}
