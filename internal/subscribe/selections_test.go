package subscribe_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
)

// terms joins n terms of a form with a number.
func terms(n int, form string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(form, i)
	}
	return strings.Join(list, ",")
}

// P6: what subscribers select is charged before they are in, in all and by
// address, and given back when they go. Ordinary ones are never refused for it,
// and readers that select the same are charged once.
func TestP6_selections_have_a_budget(t *testing.T) {
	const total, share = 14_000, 11_000 // one of 40 terms takes some 5,000
	for _, way := range []string{"", "?format=ndjson", "?format=json&wait=30s"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Subscribe: subscribe.Limits{MaxSelectionBytes: total, MaxSelectionBytesPerIP: share}}})
			used := func() float64 { return s.Metric("feedd_selection_bytes") }
			open := func(from, selector string) net.Conn {
				t.Helper()
				d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
				c, err := d.DialContext(t.Context(), "tcp", s.Addr)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				c.SetDeadline(time.Now().Add(servertest.Patience))
				fmt.Fprintf(c, "GET /feeds/%s%s HTTP/1.1\r\nHost: localhost\r\n\r\n", selector, way)
				return c
			}
			full := func(from, selector, limit string) {
				t.Helper()
				before := s.Metric(`feedd_limit_hits_total{limit="` + limit + `"}`)
				res, err := http.ReadResponse(bufio.NewReader(open(from, selector)), nil)
				if err != nil {
					t.Fatal(err)
				}
				if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
					t.Errorf("%.20s from %s: %s, want 503 with Retry-After", selector, from, res.Status)
				}
				if hits := s.Metric(`feedd_limit_hits_total{limit="` + limit + `"}`); hits != before+1 {
					t.Errorf("%s was hit %v times more, not once", limit, hits-before)
				}
			}
			first := open("127.0.0.1", terms(40, "a%d.x"))
			open("127.0.0.1", terms(40, "a%d.x")) // the same
			s.AwaitSubscribers(2)
			one := used()
			if one < 40*100 || one > 10_000 {
				t.Fatalf("two who select the same take %v bytes", one)
			}
			open("127.0.0.1", terms(20, "b%d.x"))
			s.AwaitSubscribers(3)
			full("127.0.0.1", terms(40, "c%d.x"), "max_selection_bytes_per_ip")
			other := open("127.0.0.2", terms(40, "c%d.x"))
			s.AwaitSubscribers(4)
			full("127.0.0.3", terms(40, "d%d.x"), "max_selection_bytes")
			for _, ordinary := range []string{"news", "news,chat,sports.**", "team.*"} {
				open("127.0.0.1", ordinary)
			}
			s.AwaitSubscribers(7)
			before := used()
			first.Close()
			s.AwaitSubscribers(6)
			if used() != before {
				t.Errorf("one of two who select the same left: %v bytes, before %v", used(), before)
			}
			other.Close()
			s.AwaitSubscribers(5)
			if left := before - used(); left < 0.9*one || left > 1.1*one {
				t.Errorf("%v bytes were given back, want about %v", left, one)
			}
			open("127.0.0.3", terms(40, "d%d.x"))
			s.AwaitSubscribers(6)
		})
	}
}

// An EventSource that is refused for want of memory is told in a stream that ends.
func TestP6_an_EventSource_is_told_that_selections_are_full(t *testing.T) {
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Subscribe: subscribe.Limits{MaxSelectionBytes: 100}}})
	res := s.Do("GET", "/feeds/"+terms(60, "a%d"), "", "Accept: text/event-stream")
	if text := res.Body; res.Status != 200 || !strings.Contains(text, "event: closing") || !strings.Contains(text, "selections-full") {
		t.Errorf("%d %s", res.Status, text)
	}
}

// P6: event names, and patterns of those without a credential, are few.
func TestP6_few_events_and_patterns(t *testing.T) {
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Subscribe: subscribe.Limits{MaxEventNames: 3}, Access: api.Access{MaxAnonymousPatterns: 2}}})
	for _, tt := range []struct {
		path, limit string // "": it is allowed
		admin       bool
	}{
		{"/feeds/a?event=x,y&event=z&last=1&format=json", "", false},
		{"/feeds/a?event=x,y&event=z,x&last=1&format=json", "max_event_names", false},
		{"/feeds/a?event=x,y&event=z,x&last=1&format=json", "max_event_names", true},
		{"/feeds/a?event=" + terms(8_000, "e%d"), "max_event_names", false},
		{"/feeds/a,b,c,d,*.x,y.**?last=1&format=json", "", false},
		{"/feeds/a,b,c,d,*.x,y.**,z.*?last=1&format=json", "max_anonymous_patterns", false},
		{"/feeds/a,b,c,d,*.x,y.**,z.*?last=1&format=json", "", true},
		{"/feeds?match=*.x,y.**,z.*", "max_anonymous_patterns", false},
		{"/feeds?match=*.x,y.**,z.*", "", true},
	} {
		var headers []string
		if !tt.admin {
			headers = []string{"Authorization:"}
		}
		res := s.Do("GET", tt.path, "", headers...)
		if tt.limit == "" {
			if res.Status != 200 {
				t.Errorf("%.60s: %d %s", tt.path, res.Status, res.Body)
			}
			continue
		}
		if res.Status != 400 || !strings.Contains(res.Body, tt.limit) || s.Metric(`feedd_limit_hits_total{limit="`+tt.limit+`"}`) == 0 {
			t.Errorf("%.60s: %d %s", tt.path, res.Status, res.Body)
		}
	}
}

// P6: a subscriber whose stream ends in a panic gives back what it had, and so
// does one whose stream never began.
func TestP6_a_panic_gives_back_place_and_selection(t *testing.T) {
	for _, w := range ways[1:] { // in the shards a panic ends the process
		for _, query := range []string{"?since=all", "?last_event_id=1", "?last_event_id=1&format=json&wait=30s"} {
			t.Run(w.name+" "+query, func(t *testing.T) {
				t.Parallel()
				f := new(servertest.Faulty)
				s := servertest.Start(t, servertest.Deployment{Window: 1, Wrap: func(e stream.Engine) stream.Engine { f.Engine = e; return f }})
				s.Text("a0.x", "behind the window")
				w.by(t, s)
				f.Panics.Store(true)
				res, err := s.Client.Get(s.URL + "/feeds/" + terms(40, "a%d.x") + query)
				if err == nil {
					io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
				servertest.Eventually(t, "nothing of it is left", func() bool {
					return s.Subscribers() == 0 && s.Metric("feedd_selection_bytes") == 0
				})
			})
		}
	}
}
