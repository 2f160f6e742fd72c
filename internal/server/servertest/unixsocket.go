package servertest

import (
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"feedd/internal/subscribe"
)

// UnixSocket serves the same over a unix socket, and returns how to dial it.
func (s *Server) UnixSocket(t *testing.T) func() net.Conn {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: s.handler, ConnContext: subscribe.ConnContext}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return func() net.Conn {
		c, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(Patience))
		return c
	}
}
