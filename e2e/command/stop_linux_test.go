package command_test

import (
	"bufio"
	"feedd/e2e/harness"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// P9: however many long polls wait, on SIGTERM all are answered, at once, and the
// server stops in time.
func TestP9_LongPollsAreAnsweredOnStop(t *testing.T) {
	n := 5_000 // more than are answered in one go
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil {
		n = min(n, int(files.Max/2)) // feedd needs some for itself
	}
	s := harness.Start(t, harness.With("FEEDD_SHUTDOWN_TIMEOUT=60s"))
	conns := make([]net.Conn, n)
	for i := range conns {
		c, err := net.Dial("tcp", s.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
		if _, err := fmt.Fprintf(c, "GET /feeds/f?wait=60s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n\r\n", s.Address); err != nil {
			t.Fatal(err)
		}
	}
	s.AwaitConnections(n)
	began := time.Now()
	s.Signal(syscall.SIGTERM)
	for i, c := range conns {
		c.SetReadDeadline(began.Add(harness.Patience))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("poll %d: %v", i, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK || !resp.Close || !strings.HasPrefix(string(body), `{"items":[],"cursor":"`) {
			t.Fatalf("poll %d: %v %+v %q", i, err, resp, body)
		}
	}
	s.WantEnd()
	t.Logf("%d were answered, and the server stopped, in %s", n, time.Since(began))
}
