package api_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/subscribe"
)

// way is how a client reaches the server.
type way struct {
	name string
	// by makes the server's client come this way.
	by func(t *testing.T, s *server)
}

// ways are all there are: over the shards, where there are any, and those that
// have a loop each.
var ways = []way{
	{"plain", func(*testing.T, *server) {}},
	{"plain, unknown connection", func(t *testing.T, s *server) {
		by(t, s, httptest.NewUnstartedServer(s.api.Handler()), (*httptest.Server).Start)
	}},
	{"TLS", func(t *testing.T, s *server) {
		other := httptest.NewUnstartedServer(s.api.Handler())
		other.Config.ConnContext, other.Config.ConnState = subscribe.ConnContext, s.api.ConnState
		by(t, s, other, (*httptest.Server).StartTLS)
	}},
	{"HTTP/2", func(t *testing.T, s *server) {
		other := httptest.NewUnstartedServer(s.api.Handler())
		other.EnableHTTP2 = true
		other.Config.ConnContext, other.Config.ConnState = subscribe.ConnContext, s.api.ConnState
		by(t, s, other, (*httptest.Server).StartTLS)
	}},
	{"unix", func(t *testing.T, s *server) {
		path := filepath.Join(t.TempDir(), "socket")
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Skip(err)
		}
		other := &http.Server{Handler: s.api.LocalHandler(), ConnContext: subscribe.ConnContext, ConnState: s.api.ConnState}
		go other.Serve(listener)
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}
		s.url, s.client = "http://local", &http.Client{Transport: transport}
		t.Cleanup(func() {
			transport.CloseIdleConnections()
			other.Close()
		})
	}},
}

func by(t *testing.T, s *server, other *httptest.Server, start func(*httptest.Server)) {
	start(other)
	t.Cleanup(func() {
		other.CloseClientConnections()
		other.Close()
	})
	s.url, s.client = other.URL, other.Client()
}

// P1, P3, P4, P9: every way gives the same.
func TestP1P3P4P9_EveryWayGivesTheSame(t *testing.T) {
	for _, w := range ways {
		for _, tr := range append([]transport{pagesTransport}, taps...) {
			t.Run(w.name+" "+tr.name, func(t *testing.T) {
				t.Parallel()
				d := deployment{memory: true, store: keep(4), options: api.Options{Timeouts: api.Timeouts{Heartbeat: 20 * time.Millisecond}}}
				s := start(t, d)
				w.by(t, s)
				from := s.position()
				live, goals, list := tr.open(s, "f"), tr.open(s, "f?event=goal"), tr.open(s, "x,f")
				var ids []string
				for i := range 3 {
					ids = append(ids, s.put("f", fmt.Sprint(i)))
				}
				goal := s.putQuery("f", "event=goal", "goal")
				live.mustItems("0", "1", "2", "goal")
				goals.mustItems("goal")
				list.mustItems("0", "1", "2", "goal")
				tr.open(s, "f?last_event_id="+ids[0]).mustItems("1", "2", "goal")
				tr.open(s, "*?last=2").mustItems("2", "goal")

				large := strings.Repeat("large ", 50_000)
				last := s.put("f", large)
				live.mustItems(large)
				list.mustItems(large)
				behind := tr.open(s, "f?last_event_id="+from)
				if g := behind.mustGap("trimmed"); g.Through != ids[0] {
					t.Errorf("gap %+v", g)
				}
				behind.mustItems("1", "2", "goal", large)
				elsewhere := tr.open(s, "f?last_event_id=9007199254740991")
				elsewhere.mustGap("unknown")

				if tr.streams {
					for _, r := range []*reader{live, list} {
						if n := r.next(); n.kind != aComment && n.kind != opening {
							t.Errorf("%+v came of a silent stream", n)
						}
					}
					n := goals.next() // on a filtered selection the position moves
					for ; n.id != last; n = goals.next() {
						if n.kind != aComment && (n.kind != opening || n.id != goal) {
							t.Fatalf("%+v came of a silent stream", n)
						}
					}
				}
				s.hub.Drain()
				if !tr.streams {
					return
				}
				for _, r := range []*reader{live, goals, list, behind} {
					if n := r.something(); n.kind != closing || n.id != last {
						t.Errorf("%+v came instead of a closing at %s", n, last)
					}
					if n := r.next(); n.kind != ended {
						t.Errorf("%+v came after it", n)
					}
				}
				s.do("GET", "/feeds/f", "", "Accept: "+linesType).mustProblem(t, 503, "draining")
			})
		}
	}
}
