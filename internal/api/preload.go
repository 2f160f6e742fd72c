package api

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// preloadMark is replaced in a page by the names of all scripts that it needs.
// So a browser fetches them at once; otherwise each level of imports would cost
// another round trip.
const preloadMark = "<!-- modulepreload -->\n"

var (
	// moduleTag is how a page names its first script.
	moduleTag = regexp.MustCompile(`<script type="module" src="/([^"]+)"></script>`)
	// staticImport is how a script names another that it always needs. An import
	// within a function, import(...), is for later.
	staticImport = regexp.MustCompile(`(?m)^(?:import|export) (?:[^;"]*? from )?"([^"]+)";$`)
)

// preload puts into a page, for its mark, a line for each script that its first
// script imports, and those import.
func preload(files fs.FS, page []byte) ([]byte, error) {
	if !bytes.Contains(page, []byte(preloadMark)) {
		return page, nil
	}
	tag := moduleTag.FindSubmatch(page)
	if tag == nil {
		return nil, fmt.Errorf("there is no module script whose imports could be preloaded")
	}
	first := string(tag[1])
	scripts := []string{first}
	for i := 0; i < len(scripts); i++ {
		text, err := fs.ReadFile(files, scripts[i])
		if err != nil {
			return nil, err
		}
		for _, found := range staticImport.FindAllSubmatch(text, -1) {
			script := path.Join(path.Dir(scripts[i]), string(found[1]))
			if !slices.Contains(scripts, script) {
				scripts = append(scripts, script)
			}
		}
	}
	var lines strings.Builder
	for _, script := range slices.Sorted(slices.Values(scripts[1:])) {
		fmt.Fprintf(&lines, "<link rel=\"modulepreload\" href=\"/%s\">\n", script)
	}
	return bytes.Replace(page, []byte(preloadMark), []byte(lines.String()), 1), nil
}
