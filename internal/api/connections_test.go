package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"feedd/internal/api"
)

// P5, P6: whoever keeps connections open for nothing does not lock out those
// who have something to say, nor the subscribers.
func TestP5_IdleConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	const most = 10
	s := start(t, deployment{memory: true, options: api.Options{MaxConnections: most}})
	stream, in := s.openConn("f")
	var idle []net.Conn
	for range 3 * most {
		c := s.dial(0)
		fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", s.addr)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v %+v", err, resp)
		}
		io.Copy(io.Discard, resp.Body)
		idle = append(idle, c)
	}
	if _, err := idle[0].Read(make([]byte, 1)); !isEOF(err) {
		t.Errorf("the one that was idle the longest is not closed, but %v", err)
	}
	if n := s.metric("feedd_connections"); n > most {
		t.Errorf("%v connections are open, more than %d", n, most)
	}
	if n := s.metric(`feedd_limit_hits_total{limit="descriptors"}`); n < most {
		t.Errorf("feedd_limit_hits_total is %v", n)
	}
	s.put("f", "hello")
	if n := newSSE(in).note(); n.data != "hello" {
		t.Errorf("the subscriber got %+v", n)
	}
	stream.Close()
}
