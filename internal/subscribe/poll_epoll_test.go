//go:build linux && !portable

package subscribe_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
	"feedd/internal/subscribe"
)

// P6: a page that waits holds no goroutine, nor does one that was answered and
// keeps its connection.
func TestP6_WaitingPagesHoldNoGoroutine(t *testing.T) {
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 1000}}})
	s.MustWait(0)
	before := runtime.NumGoroutine()
	var all []*servertest.Poller
	for range 100 {
		p := s.Poller()
		p.Ask("GET /feeds/f?wait=60s")
		all = append(all, p)
	}
	s.MustWait(100)
	few := func() bool { return runtime.NumGoroutine() < before+20 }
	servertest.Eventually(t, "they hold no goroutines", few)
	s.Put("f", "x")
	for _, p := range all {
		p.Page()
	}
	servertest.Eventually(t, "they hold no goroutines", few)
	servertest.Eventually(t, "their connections rest", func() bool {
		st := s.Shards.Stats()
		return st.Resting == 100 && st.Members == 100
	})
	for _, p := range all {
		p.Conn.Close()
	}
	servertest.Eventually(t, "their connections are closed", func() bool { return s.Shards.Stats().Members == 0 })
}

// P5, P6: connections that rest make room for those that have something to say.
func TestP5_RestingConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	const most = 10
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{MaxConnections: most}})
	for range 3 * most {
		p := s.Poller()
		p.Ask("GET /feeds/f?wait=1ms")
		p.Page()
	}
	servertest.Eventually(t, "they make room", func() bool {
		p := s.Poller()
		p.Ask("GET /healthz")
		p.Answer().MustStatus(t, http.StatusOK)
		p.Conn.Close()
		return s.Shards.Stats().Members <= most
	})
	if s.Shards.Stats().Members == 0 {
		t.Error("nobody is left")
	}
	s.Poller().Ask("GET /healthz")
}

// P6: a connection that rests does not do so for ever.
func TestP6_RestingConnectionsEnd(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Rest: 50 * time.Millisecond, Options: api.Options{Timeouts: api.Timeouts{Heartbeat: 40 * time.Millisecond}}})
	p := s.Poller()
	p.Ask("GET /feeds/f?wait=500ms") // longer than it may rest
	p.Page()
	p.MustEnd()
}

// A client that ends its sending half behind another request has asked for
// both. It is answered at once, because it looks like one that is gone.
func TestPolls_HalfClosedBehindAnotherRequest(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	at := s.Put("f", "x")
	p := s.Poller()
	p.Ask("GET /feeds/f?wait=60s", "GET /healthz")
	p.Conn.CloseWrite()
	if pg := p.Page(); len(pg.Items) != 0 || pg.Cursor != at {
		t.Errorf("%+v", pg)
	}
	p.Answer().MustStatus(t, http.StatusOK)
	p.MustEnd()
}

// A client that ends its sending half in the middle of an answer gets all of it.
func TestPolls_HalfClosedInTheMiddleOfAnAnswer(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, SendBuffer: 4096})
	p := s.PollerWith(4096)
	p.Ask("GET /feeds/f?wait=60s")
	s.MustWait(1)
	text := strings.Repeat("x", 1_000_000)
	s.Put("f", text)
	servertest.Eventually(t, "it is answered in part", func() bool { return s.Shards.Stats().Blocked > 0 })
	p.Conn.CloseWrite()
	if pg := p.Page(); len(pg.Items) != 1 || len(pg.Items[0].Data) != len(text)+2 {
		t.Errorf("%d items", len(pg.Items))
	}
	p.MustEnd()
	s.MustWait(0)
}

// P5: a poll whose client takes nothing of its answer is cut.
func TestP5_StalledPollIsCut(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, SendBuffer: 4096, Options: api.Options{Timeouts: api.Timeouts{Stall: 300 * time.Millisecond}}})
	p := s.PollerWith(4096)
	p.Ask("GET /feeds/f?wait=60s")
	s.MustWait(1)
	s.Put("f", strings.Repeat("x", 1_000_000))
	servertest.Eventually(t, "it is cut", func() bool { return s.Metric("feedd_subscribers_cut_total") == 1 })
	s.MustWait(0)
}
