package api_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"feedd/internal/api"
	"feedd/internal/auth"
	"feedd/internal/config"
	"feedd/internal/fanout"
	"feedd/internal/memlog"
	"feedd/internal/selector"
	composition "feedd/internal/server"
	"feedd/internal/sqlitelog"
	"feedd/internal/stream"
)

// Tests wait more than they work, so there may be more of them at the same time
// than processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if n, err := strconv.Atoi(flag.Lookup("test.parallel").Value.String()); err == nil {
		flag.Set("test.parallel", strconv.Itoa(max(n, 6)))
	}
	goleak.VerifyTestMain(m)
}

const (
	key = "the-key-of-the-tests"
	// patience is how long a test waits for what must come. It is long, since
	// nothing may depend on how busy the machine is.
	patience = time.Minute
	// streamLife is how long a test may read from one stream.
	streamLife = 5 * patience
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
	rest       time.Duration // fanout.Options.RestTimeout
	sendBuffer int           // of each connection, in bytes; 0: as it comes
}

// server is a running feedd.
type server struct {
	t        testing.TB
	addr     string
	url      string
	dir      string
	hub      *stream.Hub
	shards   *fanout.Shards
	engine   stream.Engine
	hooks    *hooks
	api      *api.Server
	logs     *logBook
	client   *http.Client
	core     *composition.Core
	auth     *auth.Authority
	sessions *auth.Sessions
	handler  http.Handler
	once     sync.Once
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
	core, err := composition.Assemble(composition.Parts{
		Engine: s.engine, WindowBytes: d.window, IdleTimeout: d.rest, API: s.optionsOf(d),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.core, s.hub, s.shards, s.api = core, core.Hub, core.Shards, core.API
	s.handler = s.api.Handler()
	if d.local {
		s.handler = s.api.LocalHandler()
	}
	if d.around != nil {
		s.handler = d.around(s.handler)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	s.url = "http://" + s.addr
	core.Serve(s.handler, narrow{listener, d.sendBuffer}, s.api.Returning(listener.Addr()))
	s.client = &http.Client{
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(s.stop)
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
	s.auth = auth.New(key, auth.Rules{
		Read: d.readers, Publish: d.publishers,
		// Enough here: "a" and "b" stand for all feeds that there can be.
		ReadAny: func(selector.Selection) bool { return d.readers("a") || d.readers("b") || d.readers("open") },
	})
	var err error
	s.sessions, err = auth.OpenSessions(key, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	o.Access.Auth, o.Access.Sessions = s.auth, s.sessions
	o.Access.MaxSelectorTerms = or(o.Access.MaxSelectorTerms, 256)
	o.Pages = api.Pages{URL: "http://localhost", Files: fstest.MapFS{
		"index.html": {Data: []byte("<!doctype html><title>feedd</title>")},
		"chat.html":  {Data: []byte("<!doctype html><title>chat</title>")},
	}}
	o.Logger = slog.New(slog.NewTextHandler(s.logs, nil))
	o.Timeouts.Heartbeat = or(o.Timeouts.Heartbeat, 10*time.Second)
	o.Timeouts.Stall = or(o.Timeouts.Stall, time.Hour)
	o.Timeouts.Body = or(o.Timeouts.Body, time.Hour)
	o.Publish.MaxItemBytes = or(o.Publish.MaxItemBytes, 1<<20)
	o.Publish.MaxBodyBytes = or(o.Publish.MaxBodyBytes, 16<<20)
	o.Publish.MaxBodiesBytes = or(o.Publish.MaxBodiesBytes, 128<<20)
	o.Publish.MaxBatchItems = or(o.Publish.MaxBatchItems, 10_000)
	o.Subscribe.MaxSubscribers = or(o.Subscribe.MaxSubscribers, 100)
	o.Retention = api.Retention{
		Parse:  config.ParseSettings,
		Format: func(r stream.Retention) []byte { return config.AppendSettings(nil, r) },
		Base:   d.store.Retention,
	}
	if o.Retention.Base == nil {
		o.Retention.Base = func(string) stream.Retention { return stream.Retention{} }
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
		s.core.Close()
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

func (h *hooks) runAfter() error { return h.run(func() func() error { return h.after }) }

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
	c.SetDeadline(time.Now().Add(streamLife))
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
