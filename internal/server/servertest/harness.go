// Package servertest runs the real composition for the tests of what it is made
// of, and speaks to it as its clients do: over plain requests, streams, long polls
// and WebSockets, with readers that are slow, hostile or gone.
package servertest

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
	"feedd/internal/subscribe"
)

// Main runs the tests of a package, more of them at the same time than there are
// processors: they wait more than they work.
func Main(m *testing.M) {
	flag.Parse()
	if n, err := strconv.Atoi(flag.Lookup("test.parallel").Value.String()); err == nil {
		flag.Set("test.parallel", strconv.Itoa(max(n, 6)))
	}
	goleak.VerifyTestMain(m)
}

const (
	Key = "the-key-of-the-tests"
	// patience is how long a test waits for what must come. It is long, because
	// nothing may depend on how busy the machine is.
	Patience = time.Minute
	// streamLife is how long a test may read from one stream.
	StreamLife = 5 * Patience
)

// Deployment is what a test sets of a server before it starts. The zero value
// of a field stands for what start says.
type Deployment struct {
	Dir     string // of the SQLite store, "" for one of its own
	Memory  bool   // the memory engine
	Store   stream.StoreOptions
	Wrap    func(stream.Engine) stream.Engine
	Around  func(http.Handler) http.Handler // what requests come through
	Window  int64
	Options api.Options // those that differ
	// readers and publishers are the feeds that are open to anyone.
	Readers    func(feed string) bool
	Publishers func(feed string) bool
	Local      bool          // serve what the local socket serves
	Rest       time.Duration // fanout.Options.RestTimeout
	SendBuffer int           // of each connection, in bytes; 0: as it comes
}

// Server is a running feedd.
type Server struct {
	T        testing.TB
	Addr     string
	URL      string
	Dir      string
	Hub      *stream.Hub
	Shards   *fanout.Shards
	Engine   stream.Engine
	Hooks    *hooks
	Api      *api.Server
	Logs     *logBook
	Client   *http.Client
	Core     *composition.Core
	Auth     *auth.Authority
	Sessions *auth.Sessions
	handler  http.Handler
	once     sync.Once
}

// Engines are the two that every important test runs on.
var Engines = []struct {
	Name   string
	Memory bool
}{{"sqlite", false}, {"memory", true}}

// OnEngines runs a test on each engine.
func OnEngines(t *testing.T, test func(t *testing.T, d Deployment)) {
	for _, e := range Engines {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			test(t, Deployment{Memory: e.Memory})
		})
	}
}

// Start runs a server until the test ends, or stop.
func Start(t testing.TB, d Deployment) *Server {
	t.Helper()
	s := &Server{T: t, Dir: d.Dir, Hooks: new(hooks), Logs: new(logBook)}
	d.Store.BeforeCommit, d.Store.AfterCommit = s.Hooks.runBefore, s.Hooks.runAfter
	s.Engine = openEngine(t, s, d)
	if d.Wrap != nil {
		s.Engine = d.Wrap(s.Engine)
	}
	core, err := composition.Assemble(composition.Parts{
		Engine: s.Engine, WindowBytes: d.Window, IdleTimeout: d.Rest, API: s.optionsOf(d),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Core, s.Hub, s.Shards, s.Api = core, core.Hub, core.Shards, core.API
	s.handler = s.Api.Handler()
	if d.Local {
		s.handler = s.Api.LocalHandler()
	}
	if d.Around != nil {
		s.handler = d.Around(s.handler)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Addr = listener.Addr().String()
	s.URL = "http://" + s.Addr
	core.Serve(s.handler, narrow{listener, d.SendBuffer}, s.Api.Returning(listener.Addr()))
	s.Client = &http.Client{
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(s.Stop)
	return s
}

func openEngine(t testing.TB, s *Server, d Deployment) stream.Engine {
	t.Helper()
	if d.Memory {
		return memlog.Open(d.Store)
	}
	if s.Dir == "" {
		s.Dir = t.TempDir()
	}
	l, err := sqlitelog.Open(s.Dir, d.Store)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (s *Server) optionsOf(d Deployment) api.Options {
	if d.Readers == nil {
		d.Readers = func(string) bool { return true }
	}
	if d.Publishers == nil {
		d.Publishers = func(string) bool { return false }
	}
	o := d.Options
	s.Auth = auth.New(Key, auth.Rules{
		Read: d.Readers, Publish: d.Publishers,
		// Enough here: "a" and "b" stand for all feeds that there can be.
		ReadAny: func(selector.Selection) bool { return d.Readers("a") || d.Readers("b") || d.Readers("open") },
	})
	var err error
	s.Sessions, err = auth.OpenSessions(Key, nil)
	if err != nil {
		s.T.Fatal(err)
	}
	o.Access.Auth, o.Access.Sessions = s.Auth, s.Sessions
	o.Access.MaxSelectorTerms = or(o.Access.MaxSelectorTerms, 256)
	o.Pages = api.Pages{URL: "http://localhost", Files: fstest.MapFS{
		"index.html": {Data: []byte("<!doctype html><title>feedd</title>")},
		"chat.html":  {Data: []byte("<!doctype html><title>chat</title>")},
	}}
	o.Logger = slog.New(slog.NewTextHandler(s.Logs, nil))
	o.Timeouts.Heartbeat = or(o.Timeouts.Heartbeat, 10*time.Second)
	o.Timeouts.Stall = or(o.Timeouts.Stall, time.Hour)
	o.Timeouts.Body = or(o.Timeouts.Body, time.Hour)
	// Tests wait for the look that finds an end.
	o.Timeouts.PeerLook = or(o.Timeouts.PeerLook, subscribe.PeerLook/10)
	o.Publish.MaxItemBytes = or(o.Publish.MaxItemBytes, 1<<20)
	o.Publish.MaxBodyBytes = or(o.Publish.MaxBodyBytes, 16<<20)
	o.Publish.MaxBodiesBytes = or(o.Publish.MaxBodiesBytes, 128<<20)
	o.Publish.MaxBatchItems = or(o.Publish.MaxBatchItems, 10_000)
	o.Subscribe.MaxSubscribers = or(o.Subscribe.MaxSubscribers, 100)
	o.Retention = api.Retention{
		Parse:  config.ParseSettings,
		Format: func(r stream.Retention) []byte { return config.AppendSettings(nil, r) },
		Base:   d.Store.Retention,
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

// Stop ends the server as serve does, but waits for no subscriber or publisher.
func (s *Server) Stop() {
	s.once.Do(func() {
		s.Hooks.Set(nil, nil)
		s.Client.CloseIdleConnections()
		s.Core.Close()
	})
}

// hooks are the BeforeCommit and AfterCommit of a store, to be set at any time.
type hooks struct {
	mu            sync.Mutex // guards the fields; not held while a hook runs
	before, after func() error
}

func (h *hooks) Set(before, after func() error) {
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

// HoldCommit keeps commits from happening until release, at the latest when
// the test ends. entered is closed once one has come so far.
func (s *Server) HoldCommit(t testing.TB) (entered <-chan struct{}, release func()) {
	in, out := make(chan struct{}), make(chan struct{})
	enter := sync.OnceFunc(func() { close(in) })
	release = sync.OnceFunc(func() { close(out) })
	t.Cleanup(release)
	s.Hooks.Set(func() error {
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

// Eventually waits for a condition.
func Eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("it did not come about that %s", what)
}

// CopyDir copies the files of a store that is closed.
func CopyDir(t testing.TB, from string) string {
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

// Dial opens a bare connection, with a receive buffer of buffer bytes (0: the
// kernel's default).
func (s *Server) Dial(buffer int) *net.TCPConn {
	s.T.Helper()
	d := net.Dialer{Timeout: Patience, Control: receiveBuffer(buffer)}
	c, err := d.Dial("tcp", s.Addr)
	if err != nil {
		s.T.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(StreamLife))
	s.T.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// OpenConn opens a stream on a connection of its own, and reads the opening.
func (s *Server) OpenConn(path string) (*net.TCPConn, *bufio.Reader) {
	s.T.Helper()
	c := s.Dial(0)
	fmt.Fprintf(c, "GET /feeds/%s HTTP/1.1\r\nHost: %s\r\n\r\n", path, s.Addr)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.T.Fatalf("%v %+v", err, resp)
	}
	in := bufio.NewReader(resp.Body)
	if n := NewSSE(in).Note(); n.Kind != Opening {
		s.T.Fatalf("%+v instead of the opening", n)
	}
	return c, in
}

func IsEOF(err error) bool { return errors.Is(err, io.EOF) }

// Draining reports whether the server's streams are to end.
func (s *Server) Draining() bool {
	select {
	case <-s.Hub.Draining():
		return true
	default:
		return false
	}
}

// AwaitSubscribers waits until n subscribers are counted.
func (s *Server) AwaitSubscribers(n int) {
	s.T.Helper()
	Eventually(s.T, fmt.Sprintf("there are %d subscribers", n), func() bool { return s.Metric("feedd_subscribers") == float64(n) })
}
