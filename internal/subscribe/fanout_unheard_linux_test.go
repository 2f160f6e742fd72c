package subscribe_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
	"feedd/internal/subscribe"
)

// P5: a peer has the stall timeout to acknowledge what it was sent, also when
// it was not sent anything, and so did not say anything, for longer before.
func TestP5_SilenceBeforeAnItemIsNoStall(t *testing.T) {
	t.Parallel()
	const stall = time.Second
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Timeouts: api.Timeouts{Stall: stall, Heartbeat: time.Hour}}})
	secure := httptest.NewUnstartedServer(s.Api.Handler())
	secure.Config.ConnContext = subscribe.ConnContext
	secure.StartTLS()
	defer secure.Close()
	raw, err := net.Dial("tcp", secure.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(servertest.Patience))
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	fmt.Fprintf(c, "GET /feeds/f HTTP/1.1\r\nHost: %s\r\n\r\n", s.Addr)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %+v", err, resp)
	}
	if n := servertest.NewSSE(bufio.NewReader(resp.Body)).Note(); n.Kind != servertest.Opening {
		t.Fatalf("%+v", n)
	}
	opened := time.Now()
	servertest.Eventually(t, "it was silent for longer than the stall timeout", func() bool { return time.Since(opened) > stall*3/2 })
	s.AwaitSubscribers(1)
	vanish(t, raw.(*net.TCPConn))
	began := time.Now()
	s.Put("f", "x")
	s.AwaitSubscribers(0)
	if took := time.Since(began); took < stall/2 {
		t.Errorf("it was cut %v after the item, and has %v to acknowledge it", took, stall)
	}
}
