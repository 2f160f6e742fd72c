package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"feedd/internal/api"
	"feedd/internal/auth"
	"feedd/internal/config"
	"feedd/internal/memlog"
	"feedd/internal/sqlitelog"
	"feedd/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	key = "the-key-of-the-tests"
	// patience is how long a test waits for what must come. It is long, since
	// nothing may depend on how busy the machine is.
	patience = 20 * time.Second
)

// deployment is what a test sets of a server before it starts. The zero value
// of a field stands for what start says.
type deployment struct {
	dir     string // of the SQLite store, "" for one of its own
	memory  bool   // the memory engine
	store   stream.StoreOptions
	wrap    func(stream.Engine) stream.Engine
	around  func(http.Handler) http.Handler // what requests come through
	window  int64
	options api.Options // those that differ
	// readers and publishers are the feeds that are open to anybody.
	readers    func(feed string) bool
	publishers func(feed string) bool
	local      bool          // serve what the local socket serves
	rest       time.Duration // stream.ShardOptions.RestTimeout
	sendBuffer int           // of each connection, in bytes; 0: as it comes
}

// server is a running feedd.
type server struct {
	t      testing.TB
	addr   string
	url    string
	dir    string
	hub    *stream.Hub
	shards *stream.Shards
	engine stream.Engine
	hooks  *hooks
	api    *api.Server
	logs   *logBook
	client *http.Client
	http   *http.Server
	once   sync.Once
}

// engines are the two that every important test runs on.
var engines = []struct {
	name   string
	memory bool
}{{"sqlite", false}, {"memory", true}}

// onEngines runs a test on each engine.
func onEngines(t *testing.T, test func(t *testing.T, d deployment)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			test(t, deployment{memory: e.memory})
		})
	}
}

// start runs a server until the test ends, or stop.
func start(t testing.TB, d deployment) *server {
	t.Helper()
	s := &server{t: t, dir: d.dir, hooks: new(hooks), logs: new(logBook)}
	d.store.BeforeCommit, d.store.AfterCommit = s.hooks.runBefore, s.hooks.runAfter
	s.engine = openEngine(t, s, d)
	if d.wrap != nil {
		s.engine = d.wrap(s.engine)
	}
	s.hub = stream.NewHub(s.engine, stream.HubOptions{WindowBytes: d.window})
	options := s.optionsOf(d)
	var err error
	s.shards, err = stream.NewShards(s.hub, stream.ShardOptions{
		Heartbeat: options.Heartbeat, StallTimeout: options.StallTimeout, Log: options.Log, RestTimeout: d.rest,
	})
	if err != nil {
		t.Fatal(err)
	}
	options.Shards = s.shards
	a, err := api.New(options)
	if err != nil {
		t.Fatal(err)
	}
	s.api = a
	handler := a.Handler()
	if d.local {
		handler = a.LocalHandler()
	}
	if d.around != nil {
		handler = d.around(handler)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	s.url = "http://" + s.addr
	s.http = &http.Server{Handler: handler, ConnContext: api.ConnContext, ConnState: a.ConnState, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	served := make(chan struct{}, 2)
	returning := a.Returning(listener.Addr())
	for _, l := range []net.Listener{narrow{listener, d.sendBuffer}, returning} {
		go func() {
			s.http.Serve(l)
			served <- struct{}{}
		}()
	}
	s.client = &http.Client{
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		s.stop()
		<-served
		<-served
	})
	return s
}

func openEngine(t testing.TB, s *server, d deployment) stream.Engine {
	t.Helper()
	if d.memory {
		return memlog.Open(d.store)
	}
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	l, err := sqlitelog.Open(s.dir, d.store)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (s *server) optionsOf(d deployment) api.Options {
	if d.readers == nil {
		d.readers = func(string) bool { return true }
	}
	if d.publishers == nil {
		d.publishers = func(string) bool { return false }
	}
	o := d.options
	o.Hub, o.Engine = s.hub, s.engine
	own := memlog.Open(stream.StoreOptions{})
	o.Own = stream.NewHub(own, stream.HubOptions{})
	s.t.Cleanup(func() {
		own.Close()
		o.Own.Close()
	})
	o.Auth = auth.New(key, auth.Rules{
		Read: d.readers, Publish: d.publishers,
		// Enough here: "a" and "b" stand for all feeds that there can be.
		ReadAny: func(stream.Selection) bool { return d.readers("a") || d.readers("b") || d.readers("open") },
	})
	sessions, err := auth.OpenSessions(key, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	o.Sessions, o.URL = sessions, "http://localhost"
	o.Pages = fstest.MapFS{
		"index.html": {Data: []byte("<!doctype html><title>feedd</title>")},
		"chat.html":  {Data: []byte("<!doctype html><title>chat</title>")},
	}
	o.Log = slog.New(slog.NewTextHandler(s.logs, nil))
	o.Heartbeat = or(o.Heartbeat, 10*time.Second)
	o.StallTimeout = or(o.StallTimeout, time.Hour)
	o.MaxItemBytes = or(o.MaxItemBytes, 1<<20)
	o.MaxBodyBytes = or(o.MaxBodyBytes, 16<<20)
	o.MaxBatchItems = or(o.MaxBatchItems, 10_000)
	o.MaxSelectorTerms = or(o.MaxSelectorTerms, 256)
	o.MaxSubscribers = or(o.MaxSubscribers, 100)
	o.ParseRetention = config.ParseSettings
	o.FormatRetention = func(r stream.Retention) []byte { return config.AppendSettings(nil, r) }
	o.BaseRetention = d.store.Retention
	if o.BaseRetention == nil {
		o.BaseRetention = func(string) stream.Retention { return stream.Retention{} }
	}
	return o
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// narrow is a listener whose connections have small send buffers, so that a
// reader that does not read holds the server up soon.
type narrow struct {
	net.Listener
	buffer int
}

func (l narrow) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil && l.buffer > 0 {
		err = c.(*net.TCPConn).SetWriteBuffer(l.buffer)
	}
	return c, err
}

// stop ends the server as serve does, but does not wait for anybody.
func (s *server) stop() {
	s.once.Do(func() {
		s.hooks.set(nil, nil)
		s.client.CloseIdleConnections()
		s.http.Close()
		now, cancel := context.WithCancel(context.Background())
		cancel()
		s.api.Close(now)
		s.shards.Close()
		s.engine.Close()
		s.hub.Close()
	})
}

// hooks are the BeforeCommit and AfterCommit of a store, to be set at any time.
type hooks struct {
	mu            sync.Mutex // guards the fields; not held while a hook runs
	before, after func() error
}

func (h *hooks) set(before, after func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before, h.after = before, after
}

func (h *hooks) run(pick func() func() error) error {
	h.mu.Lock()
	f := pick()
	h.mu.Unlock()
	if f == nil {
		return nil
	}
	return f()
}

func (h *hooks) runBefore() error { return h.run(func() func() error { return h.before }) }
func (h *hooks) runAfter() error  { return h.run(func() func() error { return h.after }) }

// holdCommit keeps commits from happening until release, at the latest when
// the test ends. entered is closed once one has come so far.
func (s *server) holdCommit(t testing.TB) (entered <-chan struct{}, release func()) {
	in, out := make(chan struct{}), make(chan struct{})
	enter := sync.OnceFunc(func() { close(in) })
	release = sync.OnceFunc(func() { close(out) })
	t.Cleanup(release)
	s.hooks.set(func() error {
		enter()
		<-out
		return nil
	}, nil)
	return in, release
}

// logBook keeps what a server logs.
type logBook struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

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

// eventually waits for a condition.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("it did not come about that %s", what)
}

// copyDir copies the files of a store that is closed.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(to, "feedd.db")); err != nil {
		t.Fatal(err)
	}
	return to
}

// dial opens a bare connection, with a receive buffer of so many bytes (0: as
// it comes).
func (s *server) dial(buffer int) *net.TCPConn {
	s.t.Helper()
	d := net.Dialer{Timeout: patience, Control: receiveBuffer(buffer)}
	c, err := d.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	s.t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// openConn opens a stream on a connection of its own, and reads the opening.
func (s *server) openConn(path string) (*net.TCPConn, *bufio.Reader) {
	s.t.Helper()
	c := s.dial(0)
	fmt.Fprintf(c, "GET /feeds/%s HTTP/1.1\r\nHost: %s\r\n\r\n", path, s.addr)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%v %+v", err, resp)
	}
	in := bufio.NewReader(resp.Body)
	if n := newSSE(in).note(); n.kind != opening {
		s.t.Fatalf("%+v instead of the opening", n)
	}
	return c, in
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }
