package client_test

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"feedd/internal/client"
)

// recorder keeps the Authorization of each request, and answers as a feed does.
type recorder struct {
	mu   sync.Mutex
	seen []string // method, path, Authorization and body
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, strings.Join([]string{req.Method, req.URL.Path, req.Header.Get("Authorization"), string(body)}, " "))
	if req.Method == http.MethodPost {
		io.WriteString(w, `{"id":"7","feed":"news"}`)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	send(w, `data: {"id":"7","feed":"news","time":"2026-11-22T06:13:20Z","data":1}`+"\nid: 7\n\n")
}

func (r *recorder) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.seen, "; ")
}

// crossing is two servers, the client's own and a foreign one that differs only
// in its port, where net/http would still send the key. Requests below
// /feeds/STATUS-here and /feeds/STATUS-away are redirected with that status.
func crossing(t *testing.T) (c *client.Client, home, away *recorder) {
	home, away = &recorder{}, &recorder{}
	foreign := httptest.NewServer(nil)
	foreign.Config.Handler = away
	t.Cleanup(foreign.Close)
	mux := http.NewServeMux()
	own := httptest.NewServer(mux)
	t.Cleanup(own.Close)
	mux.Handle("/", home)
	for _, status := range []int{301, 302, 303, 307, 308} {
		text := "/feeds/" + strconv.Itoa(status)
		mux.Handle(text+"-here", http.RedirectHandler("/feeds/target", status))
		mux.Handle(text+"-away", http.RedirectHandler(foreign.URL+"/feeds/target", status))
		mux.Handle(text+"-loop", http.RedirectHandler(text+"-loop", status))
	}
	back := http.NewServeMux()
	back.Handle("/feeds/back", http.RedirectHandler(own.URL+"/feeds/target", http.StatusTemporaryRedirect))
	back.Handle("/", away)
	foreign.Config.Handler = back
	mux.Handle("/feeds/round", http.RedirectHandler(foreign.URL+"/feeds/back", http.StatusTemporaryRedirect))
	c, err := client.New(client.Config{Server: own.URL, Key: "k3y"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, home, away
}

func TestKeyStaysWithTheServerOnReads(t *testing.T) {
	for _, tc := range []struct{ feed, home, away string }{
		{"target", "GET /feeds/target Bearer k3y ", ""},
		{"307-here", "GET /feeds/target Bearer k3y ", ""},
		{"302-here", "GET /feeds/target Bearer k3y ", ""},
		{"301-away", "", "GET /feeds/target  "},
		{"307-away", "", "GET /feeds/target  "},
		{"308-away", "", "GET /feeds/target  "},
		{"round", "GET /feeds/target  ", ""},
	} {
		t.Run(tc.feed, func(t *testing.T) {
			c, home, away := crossing(t)
			err := c.Follow(t.Context(), tc.feed, client.Options{}, func(client.Message) error { return errStop })
			if err != errStop || home.all() != tc.home || away.all() != tc.away {
				t.Errorf("%v; here %q, away %q", err, home.all(), away.all())
			}
		})
	}
}

func TestPublishFollowsRedirectsOnlyAtHome(t *testing.T) {
	const through = "POST /feeds/target Bearer k3y hello"
	for _, tc := range []struct {
		feed, home string
		status     int
	}{
		{"307-here", through, 0},
		{"308-here", through, 0},
		{"301-here", "", 301},
		{"302-here", "", 302},
		{"303-here", "", 303},
		{"301-away", "", 301},
		{"307-away", "", 307},
		{"308-away", "", 308},
		{"round", "", 307},
	} {
		t.Run(tc.feed, func(t *testing.T) {
			c, home, away := crossing(t)
			_, err := c.Publish(t.Context(), tc.feed, hello, "")
			var refused *client.Error
			errors.As(err, &refused)
			if (err == nil) != (tc.status == 0) || refused != nil && refused.Status != tc.status {
				t.Errorf("Publish: %v", err)
			}
			if home.all() != tc.home || away.all() != "" {
				t.Errorf("here %q, away %q", home.all(), away.all())
			}
			if tc.feed == "307-away" && !strings.Contains(err.Error(), "/feeds/target, which was not followed") {
				t.Errorf("Publish: %v", err)
			}
		})
	}
}

func TestRedirectsWithoutEnd(t *testing.T) {
	c, _, _ := crossing(t)
	if _, err := c.Publish(t.Context(), "307-loop", hello, ""); err == nil || !strings.Contains(err.Error(), "too often") {
		t.Errorf("Publish: %v", err)
	}
	err := c.Follow(t.Context(), "302-loop", client.Options{}, func(client.Message) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "too often") {
		t.Errorf("Follow: %v", err)
	}
}

// A certificate that is not trusted will not be trusted a second later, and a
// server without TLS will not learn it.
func TestTLSThatCannotWorkEnds(t *testing.T) {
	secure := httptest.NewUnstartedServer(&recorder{})
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(&recorder{})
	t.Cleanup(plain.Close)
	for server, want := range map[string]string{
		secure.URL: "certificate",
		strings.Replace(plain.URL, "http:", "https:", 1): "HTTP",
	} {
		c, err := client.New(client.Config{Server: server, Key: "k3y"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		if _, err := c.Publish(t.Context(), "news", hello, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Publish: %v", err)
		}
		err = c.Follow(t.Context(), "news", client.Options{}, func(client.Message) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Follow: %v", err)
		}
	}
}

func TestParseServer(t *testing.T) {
	for in, want := range map[string]string{
		"localhost:8001":           "http://localhost:8001",
		"127.0.0.1:8001":           "http://127.0.0.1:8001",
		"[::1]:8001":               "http://[::1]:8001",
		"example.org":              "http://example.org",
		"https://example.org/":     "https://example.org",
		"HTTPS://example.org/a/b/": "https://example.org/a/b",
		"example.org/feedd":        "http://example.org/feedd",
		"":                         "",
		"http://":                  "",
		"ftp://example.org":        "",
		"unix:///run/feedd":        "",
		"http://u:p@example.org":   "",
		"http://example.org/?a=b":  "",
		"http://example.org/#a":    "",
		"http://example.org:port":  "",
		"http://exa mple.org":      "",
	} {
		u, err := client.ParseServer(in)
		if (err != nil) != (want == "") || err == nil && u.String() != want {
			t.Errorf("%q: %v, %v", in, u, err)
		}
		if err != nil && strings.Contains(in, "u:p") && strings.Contains(err.Error(), "u:p") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestLoopback(t *testing.T) {
	for in, want := range map[string]bool{
		"localhost": true, "LOCALHOST:1": true, "127.0.0.1": true, "127.9.8.7:8001": true, "[::1]:8001": true,
		"localhost.example.org": false, "127.0.0.1.example.org": false, "128.0.0.1": false, "[::2]": false,
		"0.0.0.0": false, "example.org": false, "127.1": false,
	} {
		u, err := client.ParseServer(in)
		if err != nil || client.Loopback(u) != want {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestKeyThatIsNone(t *testing.T) {
	for _, key := range []string{"a b", "a\nb", "é", "\x00"} {
		if _, err := client.New(client.Config{Server: "localhost", Key: key}); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%q: %v", key, err)
		}
	}
}
