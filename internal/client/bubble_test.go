package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"feedd/internal/client"
)

// network connects a client with a server through pipes, so that both live in
// one synctest bubble: its time is not ours, and it ends only when all their
// goroutines have.
type network struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once

	mu   sync.Mutex
	down bool // dials are refused
}

var errRefused = errors.New("connection refused")

func (n *network) setDown(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
}

func (n *network) dial(context.Context, string, string) (net.Conn, error) {
	n.mu.Lock()
	down := n.down
	n.mu.Unlock()
	if down {
		return nil, errRefused
	}
	here, there := net.Pipe()
	select {
	case n.conns <- there:
		return here, nil
	case <-n.done:
		return nil, errRefused
	}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.once.Do(func() { close(n.done) })
	return nil
}

func (n *network) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8001} }

// notice is what the client said before a wait.
type notice struct {
	err  error
	wait time.Duration
	at   time.Time // in the bubble
}

// world is what a test in a bubble has: a server with the handler, and a client
// of it.
type world struct {
	net    *network
	client *client.Client

	mu      sync.Mutex
	notices []notice
}

func (w *world) heard() []notice {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.notices
}

// inBubble runs test with a server that has the handler.
func inBubble(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &network{conns: make(chan net.Conn), done: make(chan struct{})}
		srv := &http.Server{Handler: handler}
		go srv.Serve(n)
		tr := &http.Transport{DialContext: n.dial, DisableCompression: true}
		w := &world{net: n}
		c, err := client.New(client.Config{
			Server: "127.0.0.1:8001", Key: "k3y", Transport: tr,
			Notify: func(err error, wait time.Duration) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.notices = append(w.notices, notice{err, wait, time.Now()})
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.client = c
		test(t, w)
		tr.CloseIdleConnections()
		srv.Close()
		time.Sleep(24 * time.Hour) // handlers that sleep find their connection closed
		synctest.Wait()
	})
}

// cut ends a connection as a crash does.
func cut() { panic(http.ErrAbortHandler) }
