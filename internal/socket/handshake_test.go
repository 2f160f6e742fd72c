package socket_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"feedd/internal/server/servertest"
)

// P6: handshakes that fail, or are never finished, leave nothing behind.
func TestP6_FailedHandshakesLeaveNothing(t *testing.T) {
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	bad := []string{
		strings.Replace(servertest.Handshake, "13", "8", 1),
		strings.Replace(servertest.Handshake, "Sec-WebSocket-Key", "Another", 1),
		servertest.Handshake + "Origin: https://evil.example\r\n",
		servertest.Handshake + "Origin: " + s.URL + "\r\nOrigin: https://evil.example\r\n",
		servertest.Handshake + "Content-Length: 3\r\n\r\nabc",
		servertest.Handshake + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
		strings.Replace(servertest.Handshake, "Connection: Upgrade\r\n", "", 1),
	}
	measure := func() (goroutines int, heap uint64) {
		servertest.Eventually(t, "nobody is there", func() bool { return s.Subscribers() == 0 && s.Metric("feedd_connections") <= 1 })
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), m.HeapAlloc
	}
	try := func(n int) {
		for i := range n {
			c := s.Dial(0)
			head := fmt.Sprintf("GET /feeds/f?last=10 HTTP/1.1\r\nHost: %s\r\n%s\r\n", s.Addr, bad[i%len(bad)])
			if i%2 == 0 { // goes in the middle of it
				io.WriteString(c, head[:len(head)*(i%10)/10])
			} else {
				io.WriteString(c, head)
				b := make([]byte, 12)
				if _, err := io.ReadFull(c, b); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 40") {
					t.Fatalf("%q %v", b, err)
				}
			}
			c.Close()
		}
	}
	try(200)
	goroutines, heap := measure()
	try(2000)
	servertest.Eventually(t, "the goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines+5 })
	if _, now := measure(); now > heap+4<<20 {
		t.Errorf("the heap grew from %d to %d bytes", heap, now)
	}
	ws := s.OpenRaw("f", 0, "")
	ws.Say(servertest.CloseFrame(1000))
	if _, code := ws.Texts(); code != 1000 {
		t.Errorf("a good one ends with %d", code)
	}
}
