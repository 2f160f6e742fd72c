package harness

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Cable passes bytes between a browser and the server, and can break.
type Cable struct {
	Address string      // http://127.0.0.1:port
	Deaf    atomic.Bool // what the server says is lost
	Out     atomic.Bool // nothing gets through
	server  string
	mu      sync.Mutex // guards conns
	conns   map[net.Conn]bool
}

// Cable lays one before this server.
func (s *Server) Cable() *Cable {
	s.t.Helper()
	return LayCable(s.t, s.Address)
}

// LayCable lays one before the server at an address.
func LayCable(t *testing.T, server string) *Cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cable{Address: "http://" + listener.Addr().String(), server: server, conns: make(map[net.Conn]bool)}
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			passing.Go(func() { c.pass(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		c.Out.Store(true)
		c.Cut()
		passing.Wait()
	})
	return c
}

func (c *Cable) pass(browser net.Conn) {
	defer browser.Close()
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	c.mu.Lock()
	c.conns[browser] = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.conns, browser)
		c.mu.Unlock()
	}()
	if c.Out.Load() {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { c.copy(server, browser, func() bool { return false }) })
	both.Go(func() { c.copy(browser, server, c.Deaf.Load) })
	both.Wait()
}

// copy passes what comes until one side ends, then ends both.
func (c *Cable) copy(to, from net.Conn, lose func() bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if lose() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// Cut ends all connections.
func (c *Cable) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
	}
}
