package api

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"feedd/internal/qvalue"
)

// assetPolicy allows a page what is in its own files, and nothing inline. The
// photos and videos of publishers may come from anywhere on the web.
const assetPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: http:; " +
	"media-src https: http:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// contentTypes are the types of the embedded files, by extension. Those of the
// machine are not used, because they may differ or be missing.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".ts":   "text/plain; charset=utf-8", // types have no type of their own, and a browser shows this one
	".yaml": "application/yaml",          // RFC 9512; it has no charset
	".svg":  "image/svg+xml",
	".webm": "video/webm",
}

// asset is one embedded file.
type asset struct {
	name        string
	contentType string
	body        []byte
	packed      []byte // the body by gzip
	etag        string
}

// etagLength is how many hexadecimal digits of the digest an ETag has. They are
// 68 bits, so no two versions of a file have the same ETag.
const etagLength = 17

// chatLink is the link that the pages have in their headers if there is a chat.
const chatLink = `<a href="/chat">Chat</a>`

// loadAssets reads all files, by their path; name.html is the page at /name too,
// and index.html the one at /. The icon is also served at
// /favicon.ico: a browser that displays JSON looks there.
func loadAssets(files fs.FS, chat bool) (map[string]asset, error) {
	assets := make(map[string]asset)
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
		if body, err = preload(files, body); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !chat {
			body = bytes.ReplaceAll(body, []byte(chatLink), nil)
		}
		p := asset{name: name, contentType: contentType, body: body, packed: pack(body), etag: fmt.Sprintf("%x", sha256.Sum256(body))[:etagLength]}
		assets["/"+name] = p
		if short, ok := strings.CutSuffix(name, ".html"); ok {
			assets[cmp.Or(strings.TrimSuffix("/"+short, "/index"), "/")] = p
		}
		if name == "favicon.svg" {
			assets["/favicon.ico"] = p
		}
		return nil
	})
	if _, ok := assets["/"]; err == nil && !ok {
		err = fmt.Errorf("there is no index.html")
	}
	return assets, err
}

func pack(body []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	w.Write(body)
	w.Close()
	return b.Bytes()
}

func (a asset) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Content-Security-Policy", assetPolicy)
	h.Set("Cache-Control", "no-cache")
	h.Add("Vary", "Accept-Encoding")
	body, etag := a.body, a.etag
	// The server compresses pages itself, because a proxy may be set to compress
	// nothing, for the sake of the streams. A range is one of the uncompressed
	// page.
	if takesGzip(r) && r.Header.Get("Range") == "" {
		body, etag = a.packed, a.etag+"-gzip"
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, a.name, time.Time{}, bytes.NewReader(body))
	return nil
}

// takesGzip reports whether the client names gzip among the encodings that it
// takes (RFC 9110, section 12.5.3).
func takesGzip(r *http.Request) bool {
	for _, e := range qvalue.Parse(r.Header.Values("Accept-Encoding")) {
		if e.Name == "gzip" {
			return e.Q > 0
		}
	}
	return false
}
