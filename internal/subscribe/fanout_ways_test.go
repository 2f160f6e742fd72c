package subscribe_test

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
	"feedd/internal/server/servertest"
	"feedd/internal/subscribe"
)

// way is how a client reaches the server.
type way struct {
	name string
	// by makes the server's client come this way.
	by func(t *testing.T, s *servertest.Server)
}

// ways are all there are: over the shards, where there are any, and those that
// have a loop each.
var ways = []way{
	{"plain", func(*testing.T, *servertest.Server) {}},
	{"plain, unknown connection", func(t *testing.T, s *servertest.Server) {
		by(t, s, httptest.NewUnstartedServer(s.Api.Handler()), (*httptest.Server).Start)
	}},
	{"TLS", func(t *testing.T, s *servertest.Server) {
		other := httptest.NewUnstartedServer(s.Api.Handler())
		other.Config.ConnContext, other.Config.ConnState = subscribe.ConnContext, s.Api.ConnState
		by(t, s, other, (*httptest.Server).StartTLS)
	}},
	{"HTTP/2", func(t *testing.T, s *servertest.Server) {
		other := httptest.NewUnstartedServer(s.Api.Handler())
		other.EnableHTTP2 = true
		other.Config.ConnContext, other.Config.ConnState = subscribe.ConnContext, s.Api.ConnState
		by(t, s, other, (*httptest.Server).StartTLS)
	}},
	{"unix", func(t *testing.T, s *servertest.Server) {
		path := filepath.Join(t.TempDir(), "socket")
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Skip(err)
		}
		other := &http.Server{Handler: s.Api.LocalHandler(), ConnContext: subscribe.ConnContext, ConnState: s.Api.ConnState}
		go other.Serve(listener)
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}
		s.URL, s.Client = "http://local", &http.Client{Transport: transport}
		t.Cleanup(func() {
			transport.CloseIdleConnections()
			other.Close()
		})
	}},
}

func by(t *testing.T, s *servertest.Server, other *httptest.Server, start func(*httptest.Server)) {
	start(other)
	t.Cleanup(func() {
		other.CloseClientConnections()
		other.Close()
	})
	s.URL, s.Client = other.URL, other.Client()
}

// P1, P3, P4, P9: every way gives the same.
func TestP1P3P4P9_EveryWayGivesTheSame(t *testing.T) {
	for _, w := range ways {
		for _, tr := range append([]servertest.Transport{servertest.PagesTransport}, servertest.Taps...) {
			t.Run(w.name+" "+tr.Name, func(t *testing.T) {
				t.Parallel()
				d := servertest.Deployment{Memory: true, Store: servertest.Keep(4), Options: api.Options{Timeouts: api.Timeouts{Heartbeat: 20 * time.Millisecond}}}
				s := servertest.Start(t, d)
				w.by(t, s)
				from := s.Position()
				live, goals, list := tr.Open(s, "f"), tr.Open(s, "f?event=goal"), tr.Open(s, "x,f")
				var ids []string
				for i := range 3 {
					ids = append(ids, s.Put("f", fmt.Sprint(i)))
				}
				goal := s.PutQuery("f", "event=goal", "goal")
				live.MustItems("0", "1", "2", "goal")
				goals.MustItems("goal")
				list.MustItems("0", "1", "2", "goal")
				tr.Open(s, "f?last_event_id="+ids[0]).MustItems("1", "2", "goal")
				tr.Open(s, "*?last=2").MustItems("2", "goal")

				large := strings.Repeat("large ", 50_000)
				last := s.Put("f", large)
				live.MustItems(large)
				list.MustItems(large)
				behind := tr.Open(s, "f?last_event_id="+from)
				if g := behind.MustGap("trimmed"); g.Through != ids[0] {
					t.Errorf("gap %+v", g)
				}
				behind.MustItems("1", "2", "goal", large)
				elsewhere := tr.Open(s, "f?last_event_id=9007199254740991")
				elsewhere.MustGap("unknown")

				if tr.Streams {
					for _, r := range []*servertest.Reader{live, list} {
						if n := r.Next(); n.Kind != servertest.AComment && n.Kind != servertest.Opening {
							t.Errorf("%+v came of a silent stream", n)
						}
					}
					n := goals.Next() // on a filtered selection the position moves
					for ; n.Id != last; n = goals.Next() {
						if n.Kind != servertest.AComment && (n.Kind != servertest.Opening || n.Id != goal) {
							t.Fatalf("%+v came of a silent stream", n)
						}
					}
				}
				s.Hub.Drain()
				if !tr.Streams {
					return
				}
				for _, r := range []*servertest.Reader{live, goals, list, behind} {
					if n := r.Something(); n.Kind != servertest.Closing || n.Id != last {
						t.Errorf("%+v came instead of a closing at %s", n, last)
					}
					if n := r.Next(); n.Kind != servertest.Ended {
						t.Errorf("%+v came after it", n)
					}
				}
				s.Do("GET", "/feeds/f", "", "Accept: "+servertest.LinesType).MustProblem(t, 503, "draining")
			})
		}
	}
}
