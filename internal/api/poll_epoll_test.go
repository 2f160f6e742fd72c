//go:build linux && !portable

package api_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/subscribe"
)

// P6: a page that waits holds no goroutine, nor does one that was answered and
// keeps its connection.
func TestP6_WaitingPagesHoldNoGoroutine(t *testing.T) {
	s := start(t, deployment{memory: true, options: api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 1000}}})
	s.mustWait(0)
	before := runtime.NumGoroutine()
	var all []*poller
	for range 100 {
		p := s.poller()
		p.ask("GET /feeds/f?wait=60s")
		all = append(all, p)
	}
	s.mustWait(100)
	few := func() bool { return runtime.NumGoroutine() < before+20 }
	eventually(t, "they hold no goroutines", few)
	s.put("f", "x")
	for _, p := range all {
		p.page()
	}
	eventually(t, "they hold no goroutines", few)
	eventually(t, "their connections rest", func() bool {
		st := s.shards.Stats()
		return st.Resting == 100 && st.Members == 100
	})
	for _, p := range all {
		p.conn.Close()
	}
	eventually(t, "their connections are closed", func() bool { return s.shards.Stats().Members == 0 })
}

// P5, P6: connections that rest make room for those that have something to say.
func TestP5_RestingConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	const most = 10
	s := start(t, deployment{memory: true, options: api.Options{MaxConnections: most}})
	for range 3 * most {
		p := s.poller()
		p.ask("GET /feeds/f?wait=1ms")
		p.page()
	}
	eventually(t, "they make room", func() bool {
		p := s.poller()
		p.ask("GET /healthz")
		p.answer().mustStatus(t, http.StatusOK)
		p.conn.Close()
		return s.shards.Stats().Members <= most
	})
	if s.shards.Stats().Members == 0 {
		t.Error("nobody is left")
	}
	s.poller().ask("GET /healthz")
}

// P6: a connection that rests does not do so for ever.
func TestP6_RestingConnectionsEnd(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, rest: 50 * time.Millisecond, options: api.Options{Timeouts: api.Timeouts{Heartbeat: 40 * time.Millisecond}}})
	p := s.poller()
	p.ask("GET /feeds/f?wait=500ms") // longer than it may rest
	p.page()
	p.mustEnd()
}

// Whoever ends the sending half behind another request has asked for both, and
// is answered at once: nobody can tell it from one that is gone.
func TestPolls_HalfClosedBehindAnotherRequest(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	at := s.put("f", "x")
	p := s.poller()
	p.ask("GET /feeds/f?wait=60s", "GET /healthz")
	p.conn.CloseWrite()
	if pg := p.page(); len(pg.Items) != 0 || pg.Cursor != at {
		t.Errorf("%+v", pg)
	}
	p.answer().mustStatus(t, http.StatusOK)
	p.mustEnd()
}

// Whoever ends the sending half in the middle of an answer has all of it.
func TestPolls_HalfClosedInTheMiddleOfAnAnswer(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, sendBuffer: 4096})
	p := s.pollerWith(4096)
	p.ask("GET /feeds/f?wait=60s")
	s.mustWait(1)
	text := strings.Repeat("x", 1_000_000)
	s.put("f", text)
	eventually(t, "it is answered in part", func() bool { return s.shards.Stats().Blocked > 0 })
	p.conn.CloseWrite()
	if pg := p.page(); len(pg.Items) != 1 || len(pg.Items[0].Data) != len(text)+2 {
		t.Errorf("%d items", len(pg.Items))
	}
	p.mustEnd()
	s.mustWait(0)
}

// P5: a poll whose client takes nothing of its answer is cut.
func TestP5_StalledPollIsCut(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, sendBuffer: 4096, options: api.Options{Timeouts: api.Timeouts{Stall: 300 * time.Millisecond}}})
	p := s.pollerWith(4096)
	p.ask("GET /feeds/f?wait=60s")
	s.mustWait(1)
	s.put("f", strings.Repeat("x", 1_000_000))
	eventually(t, "it is cut", func() bool { return s.metric("feedd_subscribers_cut_total") == 1 })
	s.mustWait(0)
}
