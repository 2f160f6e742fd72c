package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
)

// P5, P6: a client that keeps idle connections open locks out neither
// publishers nor subscribers.
func TestP5_IdleConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	const most = 10
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{MaxConnections: most}})
	stream, in := s.OpenConn("f")
	var idle []net.Conn
	for range 3 * most {
		c := s.Dial(0)
		fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", s.Addr)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v %+v", err, resp)
		}
		io.Copy(io.Discard, resp.Body)
		idle = append(idle, c)
	}
	if _, err := idle[0].Read(make([]byte, 1)); !servertest.IsEOF(err) {
		t.Errorf("the one that was idle the longest is not closed, but %v", err)
	}
	if n := s.Metric("feedd_connections"); n > most {
		t.Errorf("%v connections are open, more than %d", n, most)
	}
	if n := s.Metric(`feedd_limit_hits_total{limit="descriptors"}`); n < most {
		t.Errorf("feedd_limit_hits_total is %v", n)
	}
	s.Put("f", "hello")
	if n := servertest.NewSSE(in).Note(); n.Data != "hello" {
		t.Errorf("the subscriber got %+v", n)
	}
	stream.Close()
}
