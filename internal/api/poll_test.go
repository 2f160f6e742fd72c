package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"feedd/internal/api"
	"feedd/internal/subscribe"
)

// poller is a client that asks for pages on one connection.
type poller struct {
	s    *server
	conn *net.TCPConn
	in   *bufio.Reader
}

func (s *server) poller() *poller { return s.pollerWith(0) }

// pollerWith makes one with a receive buffer of so many bytes.
func (s *server) pollerWith(buffer int) *poller {
	s.t.Helper()
	c := s.dial(buffer)
	return &poller{s, c, bufio.NewReader(c)}
}

// ask sends requests for JSON, as they are: METHOD PATH, and header lines.
func (p *poller) ask(requests ...string) {
	p.s.t.Helper()
	var b strings.Builder
	for _, r := range requests {
		line, header, _ := strings.Cut(r, "\n")
		if !strings.Contains(line, " HTTP/") {
			line += " HTTP/1.1"
		}
		fmt.Fprintf(&b, "%s\r\nHost: %s\r\nAccept: application/json\r\n", line, p.s.addr)
		if header != "" {
			b.WriteString(strings.ReplaceAll(header, "\n", "\r\n") + "\r\n")
		}
		b.WriteString("\r\n")
	}
	p.conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(p.conn, b.String()); err != nil {
		p.s.t.Fatal(err)
	}
}

// answer reads an answer.
func (p *poller) answer() answer {
	p.s.t.Helper()
	p.conn.SetDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(p.in, nil)
	if err != nil {
		p.s.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.s.t.Fatal(err)
	}
	if resp.Close {
		resp.Header.Set("Connection", "close") // where http.ReadResponse leaves it out
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func (p *poller) page() (pg page) {
	p.s.t.Helper()
	p.answer().mustStatus(p.s.t, http.StatusOK).decode(p.s.t, &pg)
	return pg
}

// mustEnd fails the test unless the server ends the connection.
func (p *poller) mustEnd() {
	p.s.t.Helper()
	if _, err := p.in.ReadByte(); !isEOF(err) {
		p.s.t.Errorf("the connection does not end, but %v", err)
	}
}

// mustWait waits until so many subscribers are there.
func (s *server) mustWait(n float64) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%v wait", n), func() bool { return s.metric("feedd_subscribers") == n })
}

func TestPolls_ConnectionIsKept(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		p := s.poller()
		at := s.position()
		for i := range 10 {
			p.ask("GET /feeds/f?wait=60s&last_event_id=" + at)
			s.mustWait(1)
			id := s.put("f", fmt.Sprint(i))
			pg := p.page()
			if fmt.Sprint(pg.data()) != fmt.Sprintf("[%q]", fmt.Sprint(i)) || pg.Cursor != id || pg.More {
				t.Fatalf("%+v, want the item %s", pg, id)
			}
			at = pg.Cursor
			s.mustWait(0)
			switch i % 3 { // and something else on the same connection
			case 0:
				p.ask("GET /healthz")
				p.answer().mustStatus(t, http.StatusOK)
			case 1:
				p.ask("POST /feeds/other\nAuthorization: Bearer " + key + "\nContent-Type: text/plain\nContent-Length: 1")
				io.WriteString(p.conn, "x")
				p.answer().mustStatus(t, http.StatusCreated)
			}
		}
	})
}

// An answer that was waited for looks like one that was there.
func TestPolls_AnswersLookAlike(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/feeds/f?since=now&wait=60s", "/real_time_feed"} {
		s := start(t, deployment{memory: true, options: api.Options{Legacy: api.Legacy{Feed: "f"}}})
		p := s.poller()
		p.ask("GET " + path)
		s.mustWait(1)
		before := s.position()
		s.do("POST", "/feeds/f", `{"a":1}`, "Content-Type: application/json").mustStatus(t, http.StatusCreated)
		waited := p.answer()
		since := "last_event_id=" + before
		if path == "/real_time_feed" {
			since = "since=1"
		}
		there := s.get(strings.Replace(path, "since=now", "", 1) + "?" + since)
		if strings.Contains(path, "?") {
			there = s.get(strings.Replace(path, "since=now", since, 1))
		}
		if waited.body != there.body || waited.status != there.status {
			t.Errorf("%s: %q came instead of %q", path, waited.body, there.body)
		}
		for _, a := range []answer{waited, there} {
			if _, err := http.ParseTime(a.header.Get("Date")); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			a.header.Del("Date")
		}
		if diff := cmp.Diff(there.header, waited.header); diff != "" {
			t.Errorf("%s: there (-), waited for (+):\n%s", path, diff)
		}
	}
}

// What is asked before the answer is there is answered behind it.
func TestPolls_Pipelined(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		at := s.position()
		poll := "GET /feeds/f?wait=60s&limit=1&last_event_id="
		// With the poll, or while it waits; while more than one buffer is full of it.
		for i, ahead := range []func(p *poller){
			func(p *poller) { p.ask(poll+at, "GET /healthz", poll+at) },
			func(p *poller) {
				p.ask(poll + at)
				s.mustWait(1)
				p.ask("GET /healthz")
				p.ask(poll + at)
			},
			func(p *poller) {
				p.ask(poll+at, "GET /healthz\nX-Long: "+strings.Repeat("x", 20_000))
				s.mustWait(1)
				p.ask(poll + at)
			},
		} {
			p := s.poller()
			ahead(p)
			s.mustWait(1)
			id := s.put("f", "x")
			if pg := p.page(); len(pg.Items) != 1 || pg.Items[0].ID != id {
				t.Errorf("%d: %+v", i, pg)
			}
			if a := p.answer().mustStatus(t, http.StatusOK); strings.Contains(a.body, "items") {
				t.Errorf("%d: %q came for /healthz", i, a.body)
			}
			if pg := p.page(); len(pg.Items) != 1 || pg.Items[0].ID != id {
				t.Errorf("%d: %+v", i, pg)
			}
			at = id
			p.conn.Close()
			s.mustWait(0)
		}
	})
}

// Whoever ends the sending half has no more to ask, but may still read.
func TestPolls_HalfClosedIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	at := s.put("f", "x")
	p := s.poller()
	p.ask("GET /feeds/f?wait=60s")
	s.mustWait(1)
	p.conn.CloseWrite()
	if pg := p.page(); len(pg.Items) != 0 || pg.Cursor != at {
		t.Errorf("%+v", pg)
	}
	p.mustEnd()
	s.mustWait(0)

	p = s.poller() // with the request
	p.ask("GET /feeds/f?wait=60s")
	p.conn.CloseWrite()
	if pg := p.page(); len(pg.Items) != 0 || pg.Cursor != at {
		t.Errorf("%+v", pg)
	}
	p.mustEnd()

	p = s.poller() // and behind an answer
	p.ask("GET /feeds/f?wait=1ms")
	p.page()
	p.conn.CloseWrite()
	p.mustEnd()
	s.mustWait(0)
}

// P5: whoever goes is noticed, and its place is free again; so is that of one
// who has an answer and keeps the connection.
func TestP5_PlaceOfAPollIsFreeAgain(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, options: api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 2, MaxSubscribersPerIP: 2}}})
	for i := range 3 {
		a, b := s.poller(), s.poller()
		a.ask("GET /feeds/f?wait=60s")
		b.ask("GET /feeds/f?wait=60s")
		s.mustWait(2)
		s.get("/feeds/f?wait=1s").mustProblem(t, 503, "too-many-subscribers")
		if i == 0 {
			a.conn.SetLinger(0) // a reset
		}
		a.conn.Close()
		s.mustWait(1)
		s.put("f", "x")
		b.page()
		s.mustWait(0)
	}
}

func TestPolls_ConnectionsThatAreNotKept(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	for _, request := range []string{"GET /feeds/f?wait=60s HTTP/1.0", "GET /feeds/f?wait=60s HTTP/1.1\nConnection: close"} {
		p := s.poller()
		p.ask(request)
		s.mustWait(1)
		id := s.put("f", "x")
		if pg := p.page(); len(pg.Items) != 1 || pg.Items[0].ID != id {
			t.Errorf("%s: %+v", request, pg)
		}
		p.mustEnd()
		s.mustWait(0)
	}
	p := s.poller()
	p.ask("GET /feeds/f?wait=60s HTTP/1.0\nConnection: keep-alive")
	s.mustWait(1)
	s.put("f", "x")
	if v := p.answer().header.Get("Connection"); v != "keep-alive" {
		t.Errorf("Connection is %q", v)
	}
	p.ask("GET /healthz")
	p.answer().mustStatus(t, http.StatusOK)
}

// An answer that the connection does not take at once comes whole, and the
// connection can be used behind it.
func TestPolls_LargeAnswers(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.sendBuffer = 4096
		d.options = api.Options{Timeouts: api.Timeouts{Heartbeat: 10 * time.Millisecond}}
		s := start(t, d)
		text := strings.Repeat("0123456789 \"quoted\" \n", 20_000)
		var all []*poller
		for range 5 {
			p := s.pollerWith(32 << 10)
			p.ask("GET /feeds/f?wait=60s")
			all = append(all, p)
		}
		s.mustWait(5)
		id := s.put("f", text)
		for _, p := range all {
			var got string
			pg := p.page()
			if len(pg.Items) != 1 || json.Unmarshal(pg.Items[0].Data, &got) != nil || got != text || pg.Cursor != id {
				t.Fatalf("%d items at %s", len(pg.Items), pg.Cursor)
			}
			p.ask("GET /healthz")
			p.answer().mustStatus(t, http.StatusOK)
		}
		s.mustWait(0)
		if n := s.metric("feedd_items_delivered_total"); n != 5 {
			t.Errorf("%v items were delivered, not 5", n)
		}
	})
}

// P4: what is purged while a poll waits is told with the next item.
func TestP4_PollIsToldOfALoss(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.options = api.Options{Legacy: api.Legacy{Feed: "f"}}
		s := start(t, d)
		s.put("f", "old")
		p, old := s.poller(), s.poller()
		p.ask("GET /feeds/f,g?event=none,goal&wait=60s")
		old.ask("GET /real_time_feed")
		s.mustWait(2)
		// One that the event filter keeps from the page, but not the loss of it.
		lost := s.putQuery("g", "event=other", "x")
		s.do("DELETE", "/feeds/g", "").mustStatus(t, http.StatusOK)
		s.do("DELETE", "/feeds/f", "").mustStatus(t, http.StatusOK)
		id := s.putQuery("f", "event=goal", "new")
		pg := p.page()
		if len(pg.Items) == 0 && pg.Gap != nil {
			p.ask("GET /feeds/f,g?event=none,goal&wait=60s&last_event_id=" + pg.Cursor)
			next := p.page()
			pg.Items = next.Items
		}
		if len(pg.Items) != 1 || pg.Items[0].ID != id {
			t.Errorf("%+v", pg)
		}
		// Whether it had been passed before the purge is a matter of time.
		if pg.Gap != nil && (pg.Gap.Reason != "purged" || pg.Gap.Through != lost) {
			t.Errorf("%+v", pg.Gap)
		}
		if a := old.answer().mustStatus(t, http.StatusOK); !strings.HasPrefix(a.body, `[{"data":"new","timestamp":`) || !strings.HasSuffix(a.body, "}]") {
			t.Errorf("%q", a.body)
		}
	})
}

// P4: of a burst that is larger than the backlog and than the windows a poll is
// told what is left, and of the loss.
func TestP4_PollBehindTheWindows(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.options = api.Options{Legacy: api.Legacy{Feed: "f"}}
		d.window, d.store = 1000, keep(2)
		s := start(t, d)
		at := s.position()
		p, old := s.poller(), s.poller()
		p.ask("GET /feeds/f?wait=60s")
		old.ask("GET /real_time_feed")
		s.mustWait(2)
		s.putMany("f", 0, 5, 2000)
		pg := p.page()
		if pg.Gap == nil || pg.Gap.Reason != "trimmed" || pg.Gap.After != at || len(pg.Items) != 2 || pg.More || pg.Cursor != pg.Items[1].ID {
			t.Errorf("%+v %+v", pg, pg.Gap)
		}
		if b := old.answer().body; strings.Count(b, "timestamp") != 2 || !strings.HasPrefix(b, "[") {
			t.Errorf("%.100s", b)
		}
		// It is counted once it was written.
		eventually(t, "the gap is counted", func() bool { return s.metric("feedd_gaps_total") >= 1 })
	})
}

// Those who wait for the same in other words get each their own.
func TestPolls_EachGetsWhatItAskedFor(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.options = api.Options{Legacy: api.Legacy{Feed: "f"}}
		s := start(t, d)
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
		var all []*poller
		for _, a := range asked {
			p := s.poller()
			p.ask("GET " + a.path)
			all = append(all, p)
		}
		old := s.poller()
		old.ask("GET /real_time_feed")
		s.mustWait(float64(len(asked) + 1))
		s.putMany("f", 0, 3, 0)
		for i, a := range asked {
			pg := all[i].page()
			if fmt.Sprint(pg.data()) != a.data || pg.More != a.more || pg.Cursor != pg.Items[len(pg.Items)-1].ID {
				t.Errorf("%s: %+v", a.path, pg)
			}
		}
		if b := old.answer().body; strings.Count(b, "timestamp") != 3 || !strings.HasPrefix(b, "[") {
			t.Errorf("%q", b)
		}
	})
}

func TestPolls_WaitEndsInTime(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	p := s.poller()
	for _, wait := range []time.Duration{time.Millisecond, 100 * time.Millisecond, time.Second} {
		at := s.put("other", "x")
		begin := time.Now()
		p.ask(fmt.Sprintf("GET /feeds/f?wait=%s", wait))
		next := ""
		if wait > 200*time.Millisecond {
			s.mustWait(1)
			next = s.put("other", "y") // the cursor moves with the head
			if time.Since(begin) < wait {
				at = next
			}
		}
		pg := p.page()
		took := time.Since(begin)
		if len(pg.Items) != 0 || pg.Gap != nil || pg.More || pg.Cursor != at && pg.Cursor != next {
			t.Errorf("%+v, want the cursor %s", pg, at)
		}
		if took < wait || took > wait+patience/2 {
			t.Errorf("a wait of %s took %s", wait, took)
		}
	}
	s.mustWait(0)
}

// P1, P3: pollers that go from page to page get each item once, in order,
// however fast they come, and whatever else happens to their waits.
func TestP1P3_PollersOnKeptConnections(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.window = 30 << 10 // so that the log is needed now and then
		s := start(t, d)
		at := s.position()
		const n = 200
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				p, at := s.poller(), at
				for seen := 0; seen < n; {
					p.ask(fmt.Sprintf("GET /feeds/f?limit=%d&wait=%dms&last_event_id=%s", 1+rand.N(9), 1+rand.N(30), at))
					if rand.N(10) == 0 {
						time.Sleep(rand.N(10 * time.Millisecond))
					}
					var pg page
					a := p.answer()
					if err := json.Unmarshal([]byte(a.body), &pg); err != nil || pg.Gap != nil {
						t.Errorf("%v %s", err, a.body)
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
			s.putMany("f", i, to, 100)
			s.put("other", "x")
			i = to
		}
		all.Wait()
		s.mustWait(0)
	})
}

// P9: pages that wait on kept connections are answered, and told that those end.
func TestP9_WaitingPagesOnKeptConnections(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	at := s.put("f", "x")
	var all []*poller
	for i := range 10 {
		p := s.poller()
		if i%2 == 0 { // one that was answered before
			p.ask("GET /feeds/f?wait=1ms")
			p.page()
		}
		p.ask("GET /feeds/f?wait=60s")
		all = append(all, p)
	}
	resting := s.poller()
	resting.ask("GET /feeds/f?wait=1ms")
	resting.page()
	s.mustWait(10)
	s.hub.Drain()
	for _, p := range all {
		if pg := p.page(); len(pg.Items) != 0 || pg.Cursor != at {
			t.Errorf("%+v", pg)
		}
	}
}
