package servertest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Answer is a response that was read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Request makes a request. Headers are "Name: value"; the key is sent unless
// they have an Authorization, and "Authorization:" alone sends none.
func (s *Server) Request(ctx context.Context, method, path string, body io.Reader, headers ...string) *http.Request {
	s.T.Helper()
	r, err := http.NewRequestWithContext(ctx, method, s.URL+path, body)
	if err != nil {
		s.T.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+Key)
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

// Do makes a request and reads the whole answer.
func (s *Server) Do(method, path, body string, headers ...string) Answer {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	return s.Send(s.Request(ctx, method, path, in, headers...))
}

func (s *Server) Send(r *http.Request) Answer {
	s.T.Helper()
	resp, err := s.Client.Do(r)
	if err != nil {
		s.T.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.T.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return Answer{resp.StatusCode, resp.Header, string(body)}
}

// Get asks for a JSON answer.
func (s *Server) Get(path string, headers ...string) Answer {
	s.T.Helper()
	return s.Do("GET", path, "", append([]string{"Accept: application/json"}, headers...)...)
}

// MustStatus fails the test unless the answer has the status.
func (a Answer) MustStatus(t testing.TB, status int) Answer {
	t.Helper()
	if a.Status != status {
		t.Fatalf("status %d, want %d: %s", a.Status, status, a.Body)
	}
	return a
}

// Decode reads the answer's JSON.
func (a Answer) Decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.Body), v); err != nil {
		t.Fatalf("%v in %q", err, a.Body)
	}
}

// Problem is an error as clients read it (RFC 9457).
type Problem struct {
	Status int
	Type   string
	Title  string
	Detail string
	Offset *int
	Line   int
}

// MustProblem fails the test unless the answer is such a problem.
func (a Answer) MustProblem(t testing.TB, status int, typ string) Problem {
	t.Helper()
	a.MustStatus(t, status)
	if ct := a.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Fatalf("content type %q, want application/problem+json", ct)
	}
	var p Problem
	a.Decode(t, &p)
	if p.Type != typ || p.Status != status || p.Title == "" {
		t.Fatalf("problem %+v, want type %q and status %d", p, typ, status)
	}
	if nosniff := a.Header.Get("X-Content-Type-Options"); nosniff != "nosniff" {
		t.Errorf("X-Content-Type-Options is %q", nosniff)
	}
	if status == http.StatusServiceUnavailable {
		if n, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || n < 1 {
			t.Errorf("a 503 with Retry-After %q", a.Header.Get("Retry-After"))
		}
	}
	return p
}

// Receipt is the answer to a publish, of one item or a batch.
type Receipt struct {
	ID, Feed, Time string
	Count          int
	First, Last    string
}

// Put publishes text, and returns its id.
func (s *Server) Put(feed, text string, headers ...string) string {
	s.T.Helper()
	return s.PutQuery(feed, "", text, headers...)
}

// PutQuery is put with a query, such as event=goal.
func (s *Server) PutQuery(feed, query, text string, headers ...string) string {
	s.T.Helper()
	var r Receipt
	s.Do("POST", "/feeds/"+feed+"?"+query, text, append([]string{"Content-Type: text/plain"}, headers...)...).
		MustStatus(s.T, http.StatusCreated).Decode(s.T, &r)
	return r.ID
}

// PutMany publishes the numbers of a range in batches of at most 100,
// with pad bytes of padding.
func (s *Server) PutMany(feed string, from, to, pad int) {
	s.T.Helper()
	for from < to {
		var b strings.Builder
		for n := 0; n < 100 && from < to; n++ {
			fmt.Fprintf(&b, "[%d,%q]\n", from, strings.Repeat("x", pad))
			from++
		}
		s.Do("POST", "/feeds/"+feed, b.String(), "Content-Type: application/x-ndjson").MustStatus(s.T, http.StatusCreated)
	}
}

// Page is a JSON page.
type Page struct {
	Items  []Item
	Cursor string
	More   bool
	Gap    *Gap
}

// Item is an envelope.
type Item struct {
	ID, Feed, Event, Time string
	Data                  json.RawMessage
}

type Gap struct {
	After, Through, Oldest, Reason string
	Feeds                          []string
}

// Page reads a page: path is the selector and the query.
func (s *Server) Page(path string, headers ...string) Page {
	s.T.Helper()
	var p Page
	s.Get("/feeds/"+path, headers...).MustStatus(s.T, http.StatusOK).Decode(s.T, &p)
	if p.Items == nil || p.Cursor == "" {
		s.T.Fatalf("GET %s: a page without items or cursor", path)
	}
	return p
}

// Data returns the data of items.
func (p Page) Data() []string {
	list := []string{}
	for _, it := range p.Items {
		list = append(list, string(it.Data))
	}
	return list
}

// Position returns the newest position.
func (s *Server) Position() string {
	s.T.Helper()
	return s.Page("any?since=now").Cursor
}

// MustStore fails the test unless the store holds n items.
func (s *Server) MustStore(n int) {
	s.T.Helper()
	if got := s.Engine.Usage().Items; got != n {
		s.T.Fatalf("the store holds %d items, want %d", got, n)
	}
}

// Metric returns a value of /metrics, 0 if there is none.
func (s *Server) Metric(name string) float64 {
	s.T.Helper()
	body := s.Do("GET", "/metrics", "").MustStatus(s.T, http.StatusOK).Body
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (.*)$`).FindStringSubmatch(body)
	if m == nil {
		return 0
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		s.T.Fatal(err)
	}
	return v
}

// Bodies returns how many bytes of memory the publishes under way count, and
// Subscribers how many subscribers there are.
func (s *Server) Bodies() int64 { s.T.Helper(); return int64(s.Metric("feedd_bodies_bytes")) }

func (s *Server) Subscribers() int { s.T.Helper(); return int(s.Metric("feedd_subscribers")) }

const (
	Anonymous = "Authorization:"
	WrongKey  = "Authorization: Bearer wrong"
)

// MustRaw sends bytes, and fails the test unless the first line of the answer has
// such a status.
func (s *Server) MustRaw(request, status string) {
	s.T.Helper()
	c := s.Dial(0)
	defer c.Close()
	io.WriteString(c, request)
	line, err := bufio.NewReader(c).ReadString('\n')
	if _, got, _ := strings.Cut(line, " "); !strings.HasPrefix(" "+got, status) {
		s.T.Errorf("%q is answered %q (%v), not %q", request, line, err, status)
	}
}

// RawBytes sends bytes and reads one answer. It goes on sending while it reads,
// as a client with a large body does.
func (s *Server) RawBytes(t testing.TB, text string) Answer {
	t.Helper()
	c := s.Dial(0)
	defer c.Close()
	go io.WriteString(c, text)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil && resp.ContentLength >= 0 {
		t.Fatal(err)
	}
	return Answer{resp.StatusCode, resp.Header, string(body)}
}

// SignIn signs in and returns the cookie as a header.
func (s *Server) SignIn(body string) (header string, cookie *http.Cookie) {
	s.T.Helper()
	a := s.Do("POST", "/session", body, Anonymous, "Content-Type: application/json")
	a.MustStatus(s.T, 201)
	cookies := (&http.Response{Header: a.Header}).Cookies()
	if len(cookies) != 1 {
		s.T.Fatalf("there are %d cookies", len(cookies))
	}
	return "Cookie: " + cookies[0].Name + "=" + cookies[0].Value, cookies[0]
}

const (
	JSONType  = "application/json"
	TextType  = "text/plain"
	FormType  = "application/x-www-form-urlencoded"
	LinesType = "application/x-ndjson"
	BatchType = "application/vnd.feedd+ndjson"
)

// RawRequest sends a request line and a body as they are, with the key.
func (s *Server) RawRequest(line, body string, headers ...string) Answer {
	s.T.Helper()
	c := s.Dial(0)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: close\r\n", line, s.Addr, Key)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	c.Write(b.Bytes())
	method, _, _ := strings.Cut(line, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		s.T.Fatalf("%s: %v", line, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.T.Fatalf("%s: %v", line, err)
	}
	return Answer{resp.StatusCode, resp.Header, string(text)}
}

type feedList struct {
	Feeds []struct {
		Feed           string
		Count          int
		Bytes          int64
		Oldest, Newest string
		Subscribers    int
	}
	More bool
}

func (s *Server) List(query string) feedList {
	s.T.Helper()
	var l feedList
	s.Get("/feeds?"+query).MustStatus(s.T, http.StatusOK).Decode(s.T, &l)
	return l
}

func (l feedList) Names() string {
	var names []string
	for _, f := range l.Feeds {
		names = append(names, f.Feed)
	}
	return strings.Join(names, " ")
}

type Subscriber struct {
	ID, Transport, Address, Selector, State, Position string
	Since                                             time.Time
	Behind                                            float64 `json:"behind_seconds"`
}

func (s *Server) Listed(query string) (list []Subscriber, total int) {
	s.T.Helper()
	a := s.Get("/subscribers" + query)
	a.MustStatus(s.T, 200)
	var answer struct {
		Subscribers []Subscriber
		Total       int
	}
	if err := json.Unmarshal([]byte(a.Body), &answer); err != nil {
		s.T.Fatalf("%v: %s", err, a.Body)
	}
	return answer.Subscribers, answer.Total
}
