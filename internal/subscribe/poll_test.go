package subscribe_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
	"feedd/internal/subscribe"
)

func TestPolls_ConnectionIsKept(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		p := s.Poller()
		at := s.Position()
		for i := range 10 {
			p.Ask("GET /feeds/f?wait=60s&last_event_id=" + at)
			s.MustWait(1)
			id := s.Put("f", fmt.Sprint(i))
			pg := p.Page()
			if fmt.Sprint(pg.Data()) != fmt.Sprintf("[%q]", fmt.Sprint(i)) || pg.Cursor != id || pg.More {
				t.Fatalf("%+v, want the item %s", pg, id)
			}
			at = pg.Cursor
			s.MustWait(0)
			switch i % 3 { // and something else on the same connection
			case 0:
				p.Ask("GET /healthz")
				p.Answer().MustStatus(t, http.StatusOK)
			case 1:
				p.Ask("POST /feeds/other\nAuthorization: Bearer " + servertest.Key + "\nContent-Type: text/plain\nContent-Length: 1")
				io.WriteString(p.Conn, "x")
				p.Answer().MustStatus(t, http.StatusCreated)
			}
		}
	})
}

// An answer that was waited for looks like one that was there.
func TestPolls_AnswersLookAlike(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/feeds/f?since=now&wait=60s", "/real_time_feed"} {
		s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Legacy: api.Legacy{Feed: "f"}}})
		p := s.Poller()
		p.Ask("GET " + path)
		s.MustWait(1)
		before := s.Position()
		s.Do("POST", "/feeds/f", `{"a":1}`, "Content-Type: application/json").MustStatus(t, http.StatusCreated)
		waited := p.Answer()
		since := "last_event_id=" + before
		if path == "/real_time_feed" {
			since = "since=1"
		}
		there := s.Get(strings.Replace(path, "since=now", "", 1) + "?" + since)
		if strings.Contains(path, "?") {
			there = s.Get(strings.Replace(path, "since=now", since, 1))
		}
		if waited.Body != there.Body || waited.Status != there.Status {
			t.Errorf("%s: %q came instead of %q", path, waited.Body, there.Body)
		}
		for _, a := range []servertest.Answer{waited, there} {
			if _, err := http.ParseTime(a.Header.Get("Date")); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			a.Header.Del("Date")
		}
		if diff := cmp.Diff(there.Header, waited.Header); diff != "" {
			t.Errorf("%s: there (-), waited for (+):\n%s", path, diff)
		}
	}
}

// What is asked before the answer is there is answered behind it.
func TestPolls_Pipelined(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		at := s.Position()
		poll := "GET /feeds/f?wait=60s&limit=1&last_event_id="
		// With the poll, or while it waits; while more than one buffer is full of it.
		for i, ahead := range []func(p *servertest.Poller){
			func(p *servertest.Poller) { p.Ask(poll+at, "GET /healthz", poll+at) },
			func(p *servertest.Poller) {
				p.Ask(poll + at)
				s.MustWait(1)
				p.Ask("GET /healthz")
				p.Ask(poll + at)
			},
			func(p *servertest.Poller) {
				p.Ask(poll+at, "GET /healthz\nX-Long: "+strings.Repeat("x", 20_000))
				s.MustWait(1)
				p.Ask(poll + at)
			},
		} {
			p := s.Poller()
			ahead(p)
			s.MustWait(1)
			id := s.Put("f", "x")
			if pg := p.Page(); len(pg.Items) != 1 || pg.Items[0].ID != id {
				t.Errorf("%d: %+v", i, pg)
			}
			if a := p.Answer().MustStatus(t, http.StatusOK); strings.Contains(a.Body, "items") {
				t.Errorf("%d: %q came for /healthz", i, a.Body)
			}
			if pg := p.Page(); len(pg.Items) != 1 || pg.Items[0].ID != id {
				t.Errorf("%d: %+v", i, pg)
			}
			at = id
			p.Conn.Close()
			s.MustWait(0)
		}
	})
}

// A client that ends its sending half has no more to ask, but may still read.
func TestPolls_HalfClosedIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	at := s.Put("f", "x")
	p := s.Poller()
	p.Ask("GET /feeds/f?wait=60s")
	s.MustWait(1)
	p.Conn.CloseWrite()
	if pg := p.Page(); len(pg.Items) != 0 || pg.Cursor != at {
		t.Errorf("%+v", pg)
	}
	p.MustEnd()
	s.MustWait(0)

	p = s.Poller() // with the request
	p.Ask("GET /feeds/f?wait=60s")
	p.Conn.CloseWrite()
	if pg := p.Page(); len(pg.Items) != 0 || pg.Cursor != at {
		t.Errorf("%+v", pg)
	}
	p.MustEnd()

	p = s.Poller() // and behind an answer
	p.Ask("GET /feeds/f?wait=1ms")
	p.Page()
	p.Conn.CloseWrite()
	p.MustEnd()
	s.MustWait(0)
}

// P5: a client that goes is noticed, and its place is free again; so is that of
// one that has an answer and keeps the connection.
func TestP5_PlaceOfAPollIsFreeAgain(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 2, MaxSubscribersPerIP: 2}}})
	for i := range 3 {
		a, b := s.Poller(), s.Poller()
		a.Ask("GET /feeds/f?wait=60s")
		b.Ask("GET /feeds/f?wait=60s")
		s.MustWait(2)
		s.Get("/feeds/f?wait=1s").MustProblem(t, 503, "too-many-subscribers")
		if i == 0 {
			a.Conn.SetLinger(0) // a reset
		}
		a.Conn.Close()
		s.MustWait(1)
		s.Put("f", "x")
		b.Page()
		s.MustWait(0)
	}
}

func TestPolls_ConnectionsThatAreNotKept(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	for _, request := range []string{"GET /feeds/f?wait=60s HTTP/1.0", "GET /feeds/f?wait=60s HTTP/1.1\nConnection: close"} {
		p := s.Poller()
		p.Ask(request)
		s.MustWait(1)
		id := s.Put("f", "x")
		if pg := p.Page(); len(pg.Items) != 1 || pg.Items[0].ID != id {
			t.Errorf("%s: %+v", request, pg)
		}
		p.MustEnd()
		s.MustWait(0)
	}
	p := s.Poller()
	p.Ask("GET /feeds/f?wait=60s HTTP/1.0\nConnection: keep-alive")
	s.MustWait(1)
	s.Put("f", "x")
	if v := p.Answer().Header.Get("Connection"); v != "keep-alive" {
		t.Errorf("Connection is %q", v)
	}
	p.Ask("GET /healthz")
	p.Answer().MustStatus(t, http.StatusOK)
}

// An answer that the connection does not take at once comes whole, and the
// connection can be used behind it.
func TestPolls_LargeAnswers(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.SendBuffer = 4096
		d.Options = api.Options{Timeouts: api.Timeouts{Heartbeat: 10 * time.Millisecond}}
		s := servertest.Start(t, d)
		text := strings.Repeat("0123456789 \"quoted\" \n", 20_000)
		var all []*servertest.Poller
		for range 5 {
			p := s.PollerWith(32 << 10)
			p.Ask("GET /feeds/f?wait=60s")
			all = append(all, p)
		}
		s.MustWait(5)
		id := s.Put("f", text)
		for _, p := range all {
			var got string
			pg := p.Page()
			if len(pg.Items) != 1 || json.Unmarshal(pg.Items[0].Data, &got) != nil || got != text || pg.Cursor != id {
				t.Fatalf("%d items at %s", len(pg.Items), pg.Cursor)
			}
			p.Ask("GET /healthz")
			p.Answer().MustStatus(t, http.StatusOK)
		}
		s.MustWait(0)
		if n := s.Metric("feedd_items_delivered_total"); n != 5 {
			t.Errorf("%v items were delivered, not 5", n)
		}
	})
}

// P4: what is purged while a poll waits is told with the next item.
func TestP4_PollIsToldOfALoss(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Options = api.Options{Legacy: api.Legacy{Feed: "f"}}
		s := servertest.Start(t, d)
		s.Put("f", "old")
		p, old := s.Poller(), s.Poller()
		p.Ask("GET /feeds/f,g?event=none,goal&wait=60s")
		old.Ask("GET /real_time_feed")
		s.MustWait(2)
		// One that the event filter keeps from the page, but not the loss of it.
		lost := s.PutQuery("g", "event=other", "x")
		s.Do("DELETE", "/feeds/g", "").MustStatus(t, http.StatusOK)
		s.Do("DELETE", "/feeds/f", "").MustStatus(t, http.StatusOK)
		id := s.PutQuery("f", "event=goal", "new")
		pg := p.Page()
		if len(pg.Items) == 0 && pg.Gap != nil {
			p.Ask("GET /feeds/f,g?event=none,goal&wait=60s&last_event_id=" + pg.Cursor)
			next := p.Page()
			pg.Items = next.Items
		}
		if len(pg.Items) != 1 || pg.Items[0].ID != id {
			t.Errorf("%+v", pg)
		}
		// Whether it had been passed before the purge is a matter of time.
		if pg.Gap != nil && (pg.Gap.Reason != "purged" || pg.Gap.Through != lost) {
			t.Errorf("%+v", pg.Gap)
		}
		if a := old.Answer().MustStatus(t, http.StatusOK); !strings.HasPrefix(a.Body, `[{"data":"new","timestamp":`) || !strings.HasSuffix(a.Body, "}]") {
			t.Errorf("%q", a.Body)
		}
	})
}

// P4: of a burst that is larger than the backlog and than the windows a poll is
// told what is left, and of the loss.
func TestP4_PollBehindTheWindows(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Options = api.Options{Legacy: api.Legacy{Feed: "f"}}
		d.Window, d.Store = 1000, servertest.Keep(2)
		s := servertest.Start(t, d)
		at := s.Position()
		p, old := s.Poller(), s.Poller()
		p.Ask("GET /feeds/f?wait=60s")
		old.Ask("GET /real_time_feed")
		s.MustWait(2)
		s.PutMany("f", 0, 5, 2000)
		pg := p.Page()
		if pg.Gap == nil || pg.Gap.Reason != "trimmed" || pg.Gap.After != at || len(pg.Items) != 2 || pg.More || pg.Cursor != pg.Items[1].ID {
			t.Errorf("%+v %+v", pg, pg.Gap)
		}
		if b := old.Answer().Body; strings.Count(b, "timestamp") != 2 || !strings.HasPrefix(b, "[") {
			t.Errorf("%.100s", b)
		}
		// It is counted once it was written.
		servertest.Eventually(t, "the gap is counted", func() bool { return s.Metric("feedd_gaps_total") >= 1 })
	})
}

// Long polls for the same items, by other selectors and limits, get each its own answer.
func TestPolls_EachGetsWhatItAskedFor(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Options = api.Options{Legacy: api.Legacy{Feed: "f"}}
		s := servertest.Start(t, d)
		asked := []struct {
			path, data string
			more       bool
		}{
			{"/feeds/f?wait=60s", `[[0,""] [1,""] [2,""]]`, false},
			{"/feeds/f?wait=60s&limit=1", `[[0,""]]`, true},
			{"/feeds/f?wait=60s&limit=2", `[[0,""] [1,""]]`, true},
			{"/feeds/f?wait=60s&limit=3", `[[0,""] [1,""] [2,""]]`, false},
			{"/feeds/f,g?wait=60s&limit=2", `[[0,""] [1,""]]`, true},
			{"/feeds/*?wait=60s&limit=2", `[[0,""] [1,""]]`, true},
		}
		var all []*servertest.Poller
		for _, a := range asked {
			p := s.Poller()
			p.Ask("GET " + a.path)
			all = append(all, p)
		}
		old := s.Poller()
		old.Ask("GET /real_time_feed")
		s.MustWait(float64(len(asked) + 1))
		s.PutMany("f", 0, 3, 0)
		for i, a := range asked {
			pg := all[i].Page()
			if fmt.Sprint(pg.Data()) != a.data || pg.More != a.more || pg.Cursor != pg.Items[len(pg.Items)-1].ID {
				t.Errorf("%s: %+v", a.path, pg)
			}
		}
		if b := old.Answer().Body; strings.Count(b, "timestamp") != 3 || !strings.HasPrefix(b, "[") {
			t.Errorf("%q", b)
		}
	})
}

func TestPolls_WaitEndsInTime(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	p := s.Poller()
	for _, wait := range []time.Duration{time.Millisecond, 100 * time.Millisecond, time.Second} {
		at := s.Put("other", "x")
		begin := time.Now()
		p.Ask(fmt.Sprintf("GET /feeds/f?wait=%s", wait))
		next := ""
		if wait > 200*time.Millisecond {
			s.MustWait(1)
			next = s.Put("other", "y") // the cursor moves with the head
			if time.Since(begin) < wait {
				at = next
			}
		}
		pg := p.Page()
		took := time.Since(begin)
		if len(pg.Items) != 0 || pg.Gap != nil || pg.More || pg.Cursor != at && pg.Cursor != next {
			t.Errorf("%+v, want the cursor %s", pg, at)
		}
		if took < wait || took > wait+servertest.Patience/2 {
			t.Errorf("a wait of %s took %s", wait, took)
		}
	}
	s.MustWait(0)
}

// P1, P3: pollers that go from page to page get each item once, in order,
// however fast they come, and whatever else happens to their waits.
func TestP1P3_PollersOnKeptConnections(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Window = 30 << 10 // so that the log is needed now and then
		s := servertest.Start(t, d)
		at := s.Position()
		const n = 200
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				p, at := s.Poller(), at
				for seen := 0; seen < n; {
					p.Ask(fmt.Sprintf("GET /feeds/f?limit=%d&wait=%dms&last_event_id=%s", 1+rand.N(9), 1+rand.N(30), at))
					if rand.N(10) == 0 {
						time.Sleep(rand.N(10 * time.Millisecond))
					}
					var pg servertest.Page
					a := p.Answer()
					if err := json.Unmarshal([]byte(a.Body), &pg); err != nil || pg.Gap != nil {
						t.Errorf("%v %s", err, a.Body)
						return
					}
					for _, it := range pg.Items {
						if want := fmt.Sprintf("[%d,", seen); !strings.HasPrefix(string(it.Data), want) {
							t.Errorf("%.20s came, want %s", it.Data, want)
							return
						}
						seen++
					}
					at = pg.Cursor
				}
			})
		}
		for i := 0; i < n; {
			to := min(n, i+1+rand.N(8))
			s.PutMany("f", i, to, 100)
			s.Put("other", "x")
			i = to
		}
		all.Wait()
		s.MustWait(0)
	})
}

// P9: pages that wait on kept connections are answered, and told that those end.
func TestP9_WaitingPagesOnKeptConnections(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	at := s.Put("f", "x")
	var all []*servertest.Poller
	for i := range 10 {
		p := s.Poller()
		if i%2 == 0 { // one that was answered before
			p.Ask("GET /feeds/f?wait=1ms")
			p.Page()
		}
		p.Ask("GET /feeds/f?wait=60s")
		all = append(all, p)
	}
	resting := s.Poller()
	resting.Ask("GET /feeds/f?wait=1ms")
	resting.Page()
	s.MustWait(10)
	s.Hub.Drain()
	for _, p := range all {
		if pg := p.Page(); len(pg.Items) != 0 || pg.Cursor != at {
			t.Errorf("%+v", pg)
		}
	}
}
