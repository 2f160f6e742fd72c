package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"feedd/internal/load"
)

// benchServer is as much of a server as a bench needs.
type benchServer struct {
	*httptest.Server
	forgets bool // what is published

	mu       sync.Mutex // guards what follows
	items    []string
	grown    chan struct{} // closed, and made anew, with each item
	requests []*http.Request
}

func newBenchServer(t *testing.T, forgets bool) *benchServer {
	t.Helper()
	s := &benchServer{forgets: forgets, grown: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	t.Setenv("FEEDD_SERVER", s.URL)
	t.Setenv("FEEDD_KEY", "")
	t.Setenv("FEEDD_DATA", t.TempDir())
	return s
}

func (s *benchServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.requests = append(s.requests, r)
	at := len(s.items)
	if r.Method == http.MethodPost && !s.forgets {
		s.items = append(s.items, string(body))
		close(s.grown)
		s.grown = make(chan struct{})
	}
	s.mu.Unlock()
	if r.Method == http.MethodPost {
		w.WriteHeader(http.StatusCreated)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		w.(http.Flusher).Flush()
		s.mu.Lock()
		items, grown := s.items[at:], s.grown
		s.mu.Unlock()
		at += len(items)
		for _, it := range items {
			fmt.Fprintf(w, "data: %s\n\n", it)
		}
		if len(items) > 0 {
			continue
		}
		select {
		case <-grown:
		case <-r.Context().Done():
			return
		}
	}
}

// taken returns the requests so far, and forgets them.
func (s *benchServer) taken() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.requests
	s.requests = nil
	return list
}

// aMoment is a run as short as it can be.
var aMoment = []string{"-n", "10", "-r", "100", "-d", "200ms", "--warmup", "0s"}

func TestBenchReportsAsJSON(t *testing.T) {
	s := newBenchServer(t, false)
	stdout, stderr, err := execute(t.Context(), newBenchCmd(), nil, append(aMoment, "--json", "--feed", "x")...)
	if err != nil || stderr != "" {
		t.Fatal(err, stderr)
	}
	var r load.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if r.Deliveries.Count == 0 || r.Latency.Count != 10*r.Publish.Items || !r.Deliveries.Checked || r.Latency.P99 == 0 {
		t.Errorf("%s", stdout)
	}
	if path := s.taken()[0].URL.Path; path != "/feeds/x" {
		t.Errorf("the feed is at %s", path)
	}
}

func TestBenchReportsAsText(t *testing.T) {
	newBenchServer(t, false)
	stdout, _, err := execute(t.Context(), newBenchCmd(), nil, aMoment...)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/feeds/bench (sse)", "10 subscribers", "100 items/s of 128 bytes", "lost 0, doubled 0, out of order 0", "p99", "own CPU", "####"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in\n%s", want, stdout)
		}
	}
}

// TestBenchFailsWhenItemsAreLost: a script that calls it must notice.
func TestBenchFailsWhenItemsAreLost(t *testing.T) {
	newBenchServer(t, true)
	stdout, _, err := execute(t.Context(), newBenchCmd(), nil, append(aMoment, "--patience", "300ms")...)
	if err == nil || !strings.Contains(err.Error(), "deliveries lost") || errors.As(err, new(usageError)) {
		t.Errorf("the error is %v", err)
	}
	if !strings.Contains(stdout, "lost 200,") {
		t.Errorf("the report is\n%s", stdout)
	}
}

// TestBenchKeepsTheKeyToItsServer: a load on another server is no reason to
// tell it the key of this one.
func TestBenchKeepsTheKeyToItsServer(t *testing.T) {
	s := newBenchServer(t, false)
	t.Setenv("FEEDD_KEY", "the-key")
	for _, tc := range []struct {
		rule, server, want string
		args               []string
	}{
		{"its own server", s.URL, "Bearer the-key", nil},
		{"its own server, named in full", s.URL, "Bearer the-key", []string{"--url", s.URL + "/feeds/{feed}", "--publish-url", s.URL + "/feeds/{feed}"}},
		{"another one", "http://127.0.0.1:1", "", []string{"--url", s.URL + "/feeds/{feed}", "--publish-url", s.URL + "/feeds/{feed}"}},
		{"a header of one's own", s.URL, "Basic x", []string{"--publish-header", "authorization: Basic x", "--header", "Authorization: Basic x"}},
	} {
		args := append([]string{"--server", tc.server, "-n", "1", "-d", "50ms", "--warmup", "0s"}, tc.args...)
		if _, _, err := execute(t.Context(), newBenchCmd(), nil, args...); err != nil {
			t.Fatal(err)
		}
		for _, r := range s.taken() {
			if got := r.Header.Get("Authorization"); got != tc.want {
				t.Errorf("%s: %s with Authorization %q, want %q", tc.rule, r.Method, got, tc.want)
			}
		}
	}
}

func TestBenchRefuses(t *testing.T) {
	newBenchServer(t, false)
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	for _, tc := range []struct {
		args  []string
		want  string
		usage bool
	}{
		{[]string{"x"}, "unknown command", true},
		{[]string{"--url", elsewhere.URL}, "--publish-url or --no-publish", true},
		{[]string{"--no-publish", "--publish-url", elsewhere.URL}, "exclude each other", true},
		{[]string{"--size", "10"}, "an item has at least", true},
		{[]string{"--batch", "-1"}, "at least one item", true},
		{[]string{"--ahead", "5"}, "without a rate", true},
		{[]string{"--format", "xml"}, "sse, ndjson or json", true},
		{[]string{"--stay", "3"}, "only when the others reconnect", true},
		{[]string{"--header", "x"}, "NAME: VALUE", true},
		{[]string{"--server", "192.0.2.1:80"}, "--allow-remote allows it", true},
		{[]string{"--url", elsewhere.URL, "--no-publish"}, "the server answers 404 Not Found", false},
	} {
		stdout, _, err := execute(t.Context(), newBenchCmd(), nil, tc.args...)
		if err == nil || !strings.Contains(err.Error(), tc.want) || errors.As(err, new(usageError)) != tc.usage || stdout != "" {
			t.Errorf("bench %q: %v, want %s", tc.args, err, tc.want)
		}
	}
}

func TestProgressText(t *testing.T) {
	got := progressText(load.Progress{Phase: "measuring", Subscribers: 1000, Connected: 999, Published: 20, Elapsed: 3 * time.Second, Length: 10 * time.Second}, 12_345.6)
	if want := "[###.......] measuring: 999 of 1000 connected, 20 items, 12346 deliveries/s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
