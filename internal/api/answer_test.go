package api_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
)

// A page whose client takes nothing of it is given up after stall_timeout, and
// until then counts against what all such pages may hold.
func TestP6_APageThatNobodyReadsIsGivenUp(t *testing.T) {
	t.Parallel()
	// One answer is always allowed, however large it is, and no second one beside.
	limits := api.Options{Timeouts: api.Timeouts{Stall: 100 * time.Millisecond}, MaxUnreadBytes: 1}
	s := start(t, deployment{memory: true, sendBuffer: 4 << 10, options: limits})
	for range 4 {
		s.put("big", strings.Repeat("x", 900<<10))
	}
	id := s.put("big", strings.Repeat("x", 1000<<10))
	for _, path := range []string{"/feeds/big?since=all", "/feeds/big", "/feeds/big/items/" + id} {
		c := s.dial(2 << 10)
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n\r\n", path, s.addr)
		if b, err := c.Read(make([]byte, 1)); err != nil || b != 1 { // so its bytes are counted
			t.Fatalf("%s: %v", path, err)
		}
		eventually(t, path+" waits for its reader no more", func() bool { return s.get("/feeds/big").status == 200 })
		if b, err := io.ReadAll(c); err == nil && len(b) > 900<<10 {
			t.Errorf("%s: the answer was not given up, %d bytes came", path, len(b))
		}
	}

	limits.Timeouts.Stall = time.Hour
	patient := start(t, deployment{memory: true, sendBuffer: 4 << 10, options: limits})
	patient.put("big", strings.Repeat("x", 900<<10))
	c := patient.dial(2 << 10)
	fmt.Fprintf(c, "GET /feeds/big HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n\r\n", patient.addr)
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	// Beyond what they may hold others are told to come back.
	a := patient.get("/feeds/big")
	a.mustProblem(t, 503, "too-many-answers")
	if a.header.Get("Retry-After") == "" {
		t.Error("nobody is told when to come back")
	}
	patient.get("/feeds/big?limit=1&event=none").mustStatus(t, 200)
}
