package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// answer is a response that was read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

// request makes a request. Headers are "Name: value"; the key is sent unless
// they have an Authorization, and "Authorization:" alone sends none.
func (s *server) request(ctx context.Context, method, path string, body io.Reader, headers ...string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		value = strings.TrimSpace(value)
		switch {
		case name == "Host":
			r.Host = value
		case name == "Authorization" && value == "":
			r.Header.Del(name)
		case name == "Authorization":
			r.Header.Set(name, value)
		default:
			r.Header.Add(name, value)
		}
	}
	return r
}

// do makes a request and reads the whole answer.
func (s *server) do(method, path, body string, headers ...string) answer {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	return s.send(s.request(ctx, method, path, in, headers...))
}

func (s *server) send(r *http.Request) answer {
	s.t.Helper()
	resp, err := s.client.Do(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// get asks for a JSON answer.
func (s *server) get(path string, headers ...string) answer {
	s.t.Helper()
	return s.do("GET", path, "", append([]string{"Accept: application/json"}, headers...)...)
}

// mustStatus fails the test unless the answer has the status.
func (a answer) mustStatus(t testing.TB, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// decode reads the answer's JSON.
func (a answer) decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("%v in %q", err, a.body)
	}
}

// problem is an error as clients read it (RFC 9457).
type problem struct {
	Status int
	Type   string
	Title  string
	Detail string
	Offset *int
	Line   int
}

// mustProblem fails the test unless the answer is such a problem.
func (a answer) mustProblem(t testing.TB, status int, typ string) problem {
	t.Helper()
	a.mustStatus(t, status)
	if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
		t.Fatalf("content type %q, want application/problem+json", ct)
	}
	var p problem
	a.decode(t, &p)
	if p.Type != typ || p.Status != status || p.Title == "" {
		t.Fatalf("problem %+v, want type %q and status %d", p, typ, status)
	}
	if nosniff := a.header.Get("X-Content-Type-Options"); nosniff != "nosniff" {
		t.Errorf("X-Content-Type-Options is %q", nosniff)
	}
	if status == http.StatusServiceUnavailable {
		if n, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || n < 1 {
			t.Errorf("a 503 with Retry-After %q", a.header.Get("Retry-After"))
		}
	}
	return p
}

// receipt is the answer to a publish, of one item or a batch.
type receipt struct {
	ID, Feed, Time string
	Count          int
	First, Last    string
}

// put publishes text, and returns its id.
func (s *server) put(feed, text string, headers ...string) string {
	s.t.Helper()
	return s.putQuery(feed, "", text, headers...)
}

// putQuery is put with a query, such as event=goal.
func (s *server) putQuery(feed, query, text string, headers ...string) string {
	s.t.Helper()
	var r receipt
	s.do("POST", "/feeds/"+feed+"?"+query, text, append([]string{"Content-Type: text/plain"}, headers...)...).
		mustStatus(s.t, http.StatusCreated).decode(s.t, &r)
	return r.ID
}

// putMany publishes the numbers of a range in batches of at most 100,
// with a padding of so many bytes.
func (s *server) putMany(feed string, from, to, pad int) {
	s.t.Helper()
	for from < to {
		var b strings.Builder
		for n := 0; n < 100 && from < to; n++ {
			fmt.Fprintf(&b, "[%d,%q]\n", from, strings.Repeat("x", pad))
			from++
		}
		s.do("POST", "/feeds/"+feed, b.String(), "Content-Type: application/x-ndjson").mustStatus(s.t, http.StatusCreated)
	}
}

// page is a JSON page.
type page struct {
	Items  []item
	Cursor string
	More   bool
	Gap    *gap
}

// item is an envelope.
type item struct {
	ID, Feed, Event, Time string
	Data                  json.RawMessage
}

type gap struct {
	After, Through, Oldest, Reason string
	Feeds                          []string
}

// page reads a page: path is the selector and the query.
func (s *server) page(path string, headers ...string) page {
	s.t.Helper()
	var p page
	s.get("/feeds/"+path, headers...).mustStatus(s.t, http.StatusOK).decode(s.t, &p)
	if p.Items == nil || p.Cursor == "" {
		s.t.Fatalf("GET %s: a page without items or cursor", path)
	}
	return p
}

// data returns the data of items.
func (p page) data() []string {
	list := []string{}
	for _, it := range p.Items {
		list = append(list, string(it.Data))
	}
	return list
}

// position returns the newest position.
func (s *server) position() string {
	s.t.Helper()
	return s.page("any?since=now").Cursor
}

// mustStore fails the test unless the store holds so many items.
func (s *server) mustStore(n int) {
	s.t.Helper()
	if got := s.engine.Usage().Items; got != n {
		s.t.Fatalf("the store holds %d items, want %d", got, n)
	}
}

// metric returns a value of /metrics, 0 where there is none.
func (s *server) metric(name string) float64 {
	s.t.Helper()
	body := s.do("GET", "/metrics", "").mustStatus(s.t, http.StatusOK).body
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (.*)$`).FindStringSubmatch(body)
	if m == nil {
		return 0
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// bodies returns how many bytes of memory the publishes under way count, and
// subscribers how many subscribers there are.
func (s *server) bodies() int64    { s.t.Helper(); return int64(s.metric("feedd_bodies_bytes")) }
func (s *server) subscribers() int { s.t.Helper(); return int(s.metric("feedd_subscribers")) }
