package upstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"feedd/internal/memlog"
	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes connects a client with a server within one synctest bubble. A pipe
// holds nothing: what was written was read.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, errors.New("connection refused")
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.done) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// faults are what goes wrong with the commits of a store.
type faults struct {
	mu            sync.Mutex
	before, after func() error
	commits       int
}

func (f *faults) set(before, after func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

func (f *faults) runBefore() error {
	f.mu.Lock()
	f.commits++
	run := f.before
	f.mu.Unlock()
	if run == nil {
		return nil
	}
	return run()
}

func (f *faults) runAfter() error {
	f.mu.Lock()
	run := f.after
	f.mu.Unlock()
	if run == nil {
		return nil
	}
	return run()
}

func (f *faults) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.commits
}

// world is a store that follows an upstream with the handler.
type world struct {
	t      *testing.T
	hub    *stream.Hub
	faults *faults
	config upstream.Config
	most   int // bytes of an item
	tr     *http.Transport
	set    *upstream.Set
	logged *lines
}

// inBubble runs test beside an upstream that has the handler. The world follows
// nothing until start.
func inBubble(t *testing.T, opts stream.StoreOptions, handler http.HandlerFunc, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		srv := &http.Server{Handler: handler}
		go srv.Serve(p)
		w := &world{
			t: t, faults: new(faults), most: 1 << 20, logged: new(lines),
			tr:     &http.Transport{DialContext: p.dial, DisableCompression: true},
			config: upstream.Config{Name: "u", URL: "http://upstream.example/stream", Feed: "f", Idle: time.Minute},
		}
		opts.BeforeCommit, opts.AfterCommit = w.faults.runBefore, w.faults.runAfter
		log := memlog.Open(opts)
		w.hub = stream.NewHub(log, stream.HubOptions{})
		test(w)
		w.stop()
		w.faults.set(nil, nil)
		if err := log.Close(); err != nil {
			t.Error(err)
		}
		w.hub.Close()
		w.tr.CloseIdleConnections()
		srv.Close()
		time.Sleep(24 * time.Hour) // handlers that sleep find their connection closed
		synctest.Wait()
	})
}

func (w *world) start() {
	w.t.Helper()
	set, err := upstream.New([]upstream.Config{w.config}, upstream.Options{
		Hub: w.hub, Logger: w.log(), MaxItemBytes: w.most, Transport: w.tr,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.set = set
	set.Start()
}

func (w *world) log() *slog.Logger { return slog.New(slog.NewTextHandler(w.logged, nil)) }

func (w *world) stop() {
	if w.set != nil {
		w.set.Stop(w.t.Context())
		w.set = nil
	}
}

// items returns the data of all items, with the name of the event before it and
// a mark where it is JSON.
func (w *world) items() []string {
	w.t.Helper()
	sel, err := selector.Parse("**", 1)
	if err != nil {
		w.t.Fatal(err)
	}
	entries, _, _, err := w.hub.Before(w.t.Context(), sel, 0, stream.Bounds{Items: 1 << 20, Bytes: 1 << 30})
	if err != nil {
		w.t.Fatal(err)
	}
	var items []string
	for _, e := range entries {
		s := string(e.Data)
		if e.Event != "" {
			s = e.Event + ": " + s
		}
		if e.JSON {
			s = "json " + s
		}
		items = append(items, s)
	}
	return items
}

func (w *world) at() string {
	w.t.Helper()
	at, err := w.hub.SourceAt(w.t.Context(), w.config.Name)
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}

// until waits for something, in the bubble's time.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	synctest.Wait()
	for end := time.Now().Add(12 * time.Hour); !holds(); time.Sleep(time.Second / 2) {
		if time.Now().After(end) {
			w.t.Fatalf("in vain: %s; items %.500q\n%s", what, w.items(), w.logged)
		}
	}
}

// has waits for the items, and sees that no more come.
func (w *world) has(want ...string) {
	w.t.Helper()
	w.until(fmt.Sprintf("there are %d items", len(want)), func() bool { return len(w.items()) >= len(want) })
	synctest.Wait()
	if got := w.items(); !slices.Equal(got, want) {
		w.t.Errorf("items\ngot  %.2000q\nwant %.2000q", got, want)
	}
}

// metrics returns the numbers of the upstream by name.
func (w *world) metrics() map[string]float64 {
	w.t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(w.set)
	families, err := reg.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.Metric {
			if len(m.Label) != 1 || m.Label[0].GetName() != "upstream" || m.Label[0].GetValue() != w.config.Name {
				w.t.Errorf("%s has the labels %v", f.GetName(), m.Label)
			}
			values[strings.TrimPrefix(f.GetName(), "feedd_upstream_")] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

// shows checks some of the numbers.
func (w *world) shows(want map[string]float64) {
	w.t.Helper()
	got := w.metrics()
	for name, v := range want {
		if g, ok := got[name]; !ok || g != v {
			w.t.Errorf("%s is %v, want %v", name, g, v)
		}
	}
}

// lines is what was logged.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// count returns how many lines have the text.
func (l *lines) count(text string) int { return strings.Count(l.String(), text) }

// says sends bytes, and then ends well or waits for the reader's end.
func says(w http.ResponseWriter, r *http.Request, s string, stay bool) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Write([]byte(s))
	w.(http.Flusher).Flush()
	if stay {
		<-r.Context().Done()
	}
}
