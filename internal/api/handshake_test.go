package api_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// P6: handshakes that fail, or are never finished, leave nothing behind.
func TestP6_FailedHandshakesLeaveNothing(t *testing.T) {
	s := start(t, deployment{memory: true})
	bad := []string{
		strings.Replace(handshake, "13", "8", 1),
		strings.Replace(handshake, "Sec-WebSocket-Key", "Another", 1),
		handshake + "Origin: https://evil.example\r\n",
		handshake + "Origin: " + s.url + "\r\nOrigin: https://evil.example\r\n",
		handshake + "Content-Length: 3\r\n\r\nabc",
		handshake + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
		strings.Replace(handshake, "Connection: Upgrade\r\n", "", 1),
	}
	measure := func() (goroutines int, heap uint64) {
		eventually(t, "nobody is there", func() bool { return s.subscribers() == 0 && s.metric("feedd_connections") <= 1 })
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), m.HeapAlloc
	}
	try := func(n int) {
		for i := range n {
			c := s.dial(0)
			head := fmt.Sprintf("GET /feeds/f?last=10 HTTP/1.1\r\nHost: %s\r\n%s\r\n", s.addr, bad[i%len(bad)])
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
	eventually(t, "the goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines+5 })
	if _, now := measure(); now > heap+4<<20 {
		t.Errorf("the heap grew from %d to %d bytes", heap, now)
	}
	ws := s.openRaw("f", 0, "")
	ws.say(closeFrame(1000))
	if _, code := ws.texts(); code != 1000 {
		t.Errorf("a good one ends with %d", code)
	}
}
