package api

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"
)

// pagePolicy allows a page what is in its own files, and nothing inline.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// contentTypes are those of the embedded files, by extension: not the
// machine's, which may know others for the same files, or none.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".yaml": "application/yaml", // RFC 9512; it has no charset
}

// page is one embedded file.
type page struct {
	name        string
	contentType string
	body        []byte
	etag        string
}

// loadPages reads all files, by their path; index.html is the page at / too.
func loadPages(files fs.FS) (map[string]page, error) {
	pages := make(map[string]page)
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) == ".go" {
			return err
		}
		contentType, ok := contentTypes[path.Ext(name)]
		if !ok {
			return fmt.Errorf("%s: no content type is known for it", name)
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		p := page{name: name, contentType: contentType, body: body, etag: fmt.Sprintf(`"%x"`, sha256.Sum256(body))[:18] + `"`}
		pages["/"+name] = p
		if name == "index.html" {
			pages["/"] = p
		}
		return nil
	})
	if _, ok := pages["/"]; err == nil && !ok {
		err = fmt.Errorf("there is no index.html")
	}
	return pages, err
}

func (p page) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", p.contentType)
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", p.etag)
	http.ServeContent(w, r, p.name, time.Time{}, bytes.NewReader(p.body))
	return nil
}
