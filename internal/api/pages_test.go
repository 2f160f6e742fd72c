package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"feedd/internal/api"
	"feedd/internal/auth"
	"feedd/internal/server/servertest"
	"feedd/public"
)

// A page is at its file's name, and at that without .html; the routes of the
// interface outrank it.
func TestPages_AreAtTheirNames(t *testing.T) {
	sessions, err := auth.OpenSessions("key", nil)
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, name := range []string{"index.html", "admin.html", "myindex.html", "sub/index.html", "sub/x.html", "healthz.html", "a.css", "favicon.svg"} {
		files[name] = &fstest.MapFile{Data: []byte(name)}
	}
	s, err := api.New(api.Options{Pages: api.Pages{Files: files}, Access: api.Access{Sessions: sessions, Auth: auth.New("key", auth.Rules{})}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/": "index.html", "/index.html": "index.html", "/admin": "admin.html", "/admin.html": "admin.html", "/myindex": "myindex.html",
		"/sub": "sub/index.html", "/sub/x": "sub/x.html", "/a.css": "a.css", "/healthz": "ok\n", "/favicon.svg": "favicon.svg", "/favicon.ico": "favicon.svg",
	} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if got := w.Body.String(); got != want {
			t.Errorf("at %s is %q, not %q", path, got, want)
		}
	}
	for _, path := range []string{"/a", "/index", "/my", "/sub/"} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("at %s is %q", path, w.Body)
		}
	}
}

func TestConfig_SaysWhatAnAcknowledgementMeans(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		want := s.Do("POST", "/feeds/f", "x").Header.Get("Feedd-Durability")
		if got := s.Get("/config").Header.Get("Feedd-Durability"); want == "" || got != want {
			t.Errorf("the settings say %q, a publish %q", got, want)
		}
	})
}

// Where there is no chat, no page has a link to it; and the files that pages
// load have the types that browsers take them by.
func TestPages_LeadToAChatWhereThereIsOne(t *testing.T) {
	sessions, err := auth.OpenSessions("key", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, chat := range []string{"", "chat"} {
		s, err := api.New(api.Options{Pages: api.Pages{Files: public.Files}, Access: api.Access{Sessions: sessions, Auth: auth.New("key", auth.Rules{})}, Legacy: api.Legacy{Chat: chat}})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/", "/admin"} {
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if got := strings.Contains(w.Body.String(), `"/chat"`); got != (chat != "") {
				t.Errorf("with the chat %q %s leads to it: %t", chat, path, got)
			}
		}
		for path, want := range map[string]string{"/harbour.svg": "image/svg+xml", "/start.webm": "video/webm"} {
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if got := w.Header().Get("Content-Type"); w.Code != 200 || got != want {
				t.Errorf("%s: %d %s", path, w.Code, got)
			}
		}
	}
}
