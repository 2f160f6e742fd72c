package answer_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
)

// A page whose client takes nothing of it is given up after stall_timeout, and
// until then counts against what all such pages may hold.
func TestP6_APageThatNobodyReadsIsGivenUp(t *testing.T) {
	t.Parallel()
	// One answer is always allowed, however large it is, and no second one beside.
	limits := api.Options{Timeouts: api.Timeouts{Stall: 100 * time.Millisecond}, MaxUnreadBytes: 1}
	s := servertest.Start(t, servertest.Deployment{Memory: true, SendBuffer: 4 << 10, Options: limits})
	for range 4 {
		s.Put("big", strings.Repeat("x", 900<<10))
	}
	id := s.Put("big", strings.Repeat("x", 1000<<10))
	for _, path := range []string{"/feeds/big?since=all", "/feeds/big", "/feeds/big/items/" + id} {
		c := s.Dial(2 << 10)
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n\r\n", path, s.Addr)
		if b, err := c.Read(make([]byte, 1)); err != nil || b != 1 { // so its bytes are counted
			t.Fatalf("%s: %v", path, err)
		}
		servertest.Eventually(t, path+" waits for its reader no more", func() bool { return s.Get("/feeds/big").Status == 200 })
		if b, err := io.ReadAll(c); err == nil && len(b) > 900<<10 {
			t.Errorf("%s: the answer was not given up, %d bytes came", path, len(b))
		}
	}

	limits.Timeouts.Stall = time.Hour
	patient := servertest.Start(t, servertest.Deployment{Memory: true, SendBuffer: 4 << 10, Options: limits})
	patient.Put("big", strings.Repeat("x", 900<<10))
	c := patient.Dial(2 << 10)
	fmt.Fprintf(c, "GET /feeds/big HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n\r\n", patient.Addr)
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	// Beyond what they may hold others are told to come back.
	a := patient.Get("/feeds/big")
	a.MustProblem(t, 503, "too-many-answers")
	if a.Header.Get("Retry-After") == "" {
		t.Error("nobody is told when to come back")
	}
	patient.Get("/feeds/big?limit=1&event=none").MustStatus(t, 200)
}
