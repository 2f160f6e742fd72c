// Package internal_test holds the walls of the house: what DESIGN.md says about
// packages is compared with the code.
package internal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// goPackage is what go list says of a package.
type goPackage struct {
	ImportPath     string
	Dir            string
	GoFiles        []string
	IgnoredGoFiles []string // for other platforms
	Imports        []string
}

func packagesOf(t *testing.T, patterns ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,GoFiles,IgnoredGoFiles,Imports"}, patterns...)...)
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// short is a package as DESIGN.md names it.
func short(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, "feedd/"), "internal/")
}

// row is a line of DESIGN.md's table of packages: the package, what it imports,
// and what lives there.
var row = regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\| ([^|]*) \\| [^|]+ \\|$")

// TestArrows compares who imports whom with the table in DESIGN.md: each import
// is in the table, and each one in the table is real.
func TestArrows(t *testing.T) {
	design, err := os.ReadFile("../DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(design), "## Packages\n")
	table, _, _ = strings.Cut(table, "\n## ")
	said := make(map[string][]string)
	for _, m := range row.FindAllStringSubmatch(table, -1) {
		imports := strings.FieldsFunc(m[2], func(r rune) bool { return strings.ContainsRune(" ,`", r) })
		if slices.Equal(imports, []string{"-"}) {
			imports = nil
		}
		slices.Sort(imports)
		said[m[1]] = imports
	}
	real := make(map[string][]string)
	for _, p := range packagesOf(t, "./cmd/...", "./internal/...", "./public") {
		if len(p.GoFiles) == 0 {
			continue // tests only
		}
		var imports []string
		for _, path := range p.Imports {
			if strings.HasPrefix(path, "feedd/") {
				imports = append(imports, short(path))
			}
		}
		slices.Sort(imports)
		real[short(p.ImportPath)] = imports
	}
	if diff := gocmp.Diff(said, real); diff != "" {
		t.Errorf("DESIGN.md's table of packages says one thing (-), the code another (+):\n%s", diff)
	}
}

// A package that is larger than this is two subjects, or soon will be: a reader
// cannot hold more in mind.
const (
	mostLines = 2600
	mostFiles = 20
)

// larger may be larger: they are no parts of the server.
var larger = map[string]string{
	"stream/streamtest": "the rules of all engines, a file for each promise",
	"load":              "the load generator, a tool",
}

// TestRooms holds packages to a size.
func TestRooms(t *testing.T) {
	for _, p := range packagesOf(t, "./cmd/...", "./internal/...") {
		if larger[short(p.ImportPath)] != "" {
			continue
		}
		files := slices.Concat(p.GoFiles, p.IgnoredGoFiles)
		files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
		lines := 0
		for _, name := range files {
			source, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			lines += bytes.Count(source, []byte{'\n'})
		}
		if len(files) > mostFiles || lines > mostLines {
			t.Errorf("%s has %d files and %d lines; a package has at most %d and %d", short(p.ImportPath), len(files), lines, mostFiles, mostLines)
		}
	}
}
