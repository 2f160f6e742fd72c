package api_test

import (
	"io/fs"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"feedd/internal/api"
	"feedd/internal/auth"
	"feedd/public"
)

// A page names all scripts that it needs, wherever they are imported, each once.
func TestPages_PreloadTheirScripts(t *testing.T) {
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"index.html":  "<script type=\"module\" src=\"/a/main.js\"></script>\n<!-- modulepreload -->\n</head>",
		"a/main.js":   "// import {no} from \"./comment.js\";\nimport \"./effect.js\";\nimport {b,\n  c} from \"../b.js\";\nconst later = () => import(\"./later.js\");\n",
		"b.js":        "export {d} from \"./a/d.js\";\nexport const text = 'import {x} from \"./text.js\";';\n",
		"a/d.js":      "import {b} from \"../b.js\";\nimport \"./effect.js\";\n",
		"a/effect.js": "",
		"chat.html":   "",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	got := pageOf(t, files, "/")
	want := "<script type=\"module\" src=\"/a/main.js\"></script>\n" +
		"<link rel=\"modulepreload\" href=\"/a/d.js\">\n<link rel=\"modulepreload\" href=\"/a/effect.js\">\n<link rel=\"modulepreload\" href=\"/b.js\">\n</head>"
	if got != want {
		t.Errorf("the page is\n%s\nwant\n%s", got, want)
	}
}

// What a page preloads is there; and no page has scripts of another.
func TestPages_PreloadWhatIsThere(t *testing.T) {
	link := regexp.MustCompile(`<link rel="modulepreload" href="(/[^"]+)">`)
	s := withPages(t, public.Files)
	at := func(path string) string { return pageAt(t, s, path) }
	for page, rooms := range map[string][]string{"/": {"reader", "shared"}, "/admin": {"admin", "shared"}, "/chat.html": {"chat", "shared"}} {
		text := at(page)
		scripts := link.FindAllStringSubmatch(text, -1)
		if len(scripts) < 10 || strings.Contains(text, "<!-- modulepreload") {
			t.Errorf("%s preloads %q", page, scripts)
		}
		for _, script := range scripts {
			room, _, nested := strings.Cut(strings.TrimPrefix(script[1], "/"), "/")
			if nested && !slices.Contains(rooms, room) {
				t.Errorf("%s loads %s", page, script[1])
			}
			at(script[1])
		}
	}
}

// Types come beside feed.js; what the scripts are tested with does not.
func TestPages_AreAllThatIsServed(t *testing.T) {
	s := withPages(t, public.Files)
	for path, want := range map[string]string{"/feed.d.ts": "text/plain; charset=utf-8", "/feed.js": "text/javascript; charset=utf-8"} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if got := w.Header().Get("Content-Type"); w.Code != 200 || got != want {
			t.Errorf("%s: %d %s", path, w.Code, got)
		}
	}
	for _, path := range []string{"/package.json", "/tsconfig.json", "/test/feed-pages.test.js", "/public.go"} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func withPages(t *testing.T, files fs.FS) *api.Server {
	t.Helper()
	sessions, err := auth.OpenSessions("key", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := api.New(api.Options{
		Pages:  api.Pages{Files: files},
		Access: api.Access{Sessions: sessions, Auth: auth.New("key", auth.Rules{})},
		Legacy: api.Legacy{Chat: "chat"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pageOf returns what a server with these files has at a path.
func pageOf(t *testing.T, files fs.FS, path string) string {
	t.Helper()
	return pageAt(t, withPages(t, files), path)
}

func pageAt(t *testing.T, s *api.Server, path string) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if w.Code != 200 {
		t.Errorf("%s: %d", path, w.Code)
	}
	return w.Body.String()
}
