package api_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
)

// P9: every stream is told when to come back, and ends.
func TestP9_StreamsAreToldWhenToComeBackAndEnd(t *testing.T) {
	t.Parallel()
	d := deployment{memory: true}
	s := start(t, d)
	var rs []*reader
	for range 5 {
		for _, tr := range streams {
			rs = append(rs, tr.open(s, "f"))
		}
	}
	last := s.put("f", "x")
	for _, r := range rs {
		r.mustItems("x")
	}
	s.hub.Drain()
	waits := make(map[string]bool)
	for _, r := range rs {
		n := r.something()
		if n.kind != closing || n.why != "draining" || n.id != last {
			t.Fatalf("%+v came instead of a closing at %s", n, last)
		}
		ms, err := strconv.Atoi(n.retry)
		if err != nil || ms < 100 || ms > 10_000 {
			t.Errorf("retry %q in %q", n.retry, n.raw)
		}
		waits[n.retry] = true
		if n := r.next(); n.kind != ended {
			t.Errorf("%+v came after the closing", n)
		}
	}
	if len(waits) < 3 {
		t.Errorf("%d readers come back at only %d times", len(rs), len(waits))
	}
}

func TestP9_ClosingBytes(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	last := s.put("f", "x")
	sse, lines := openSSE(s, "f"), openNDJSON(s, "f")
	s.hub.Drain()
	n := sse.something()
	if want := `event: closing` + "\n" + `data: {"reason":"draining","cursor":"` + last + `","retry":` + n.retry + "}\nretry: " + n.retry + "\nid: " + last + "\n\n"; n.raw != want {
		t.Errorf("%q, want %q", n.raw, want)
	}
	n = lines.something()
	if want := `{"closing":{"reason":"draining","cursor":"` + last + `","retry":` + n.retry + "}}\n"; n.raw != want {
		t.Errorf("%q, want %q", n.raw, want)
	}
}

// P9: a reader in the middle of its backlog ends too: with a closing, or where
// half of an item was written, without. It resumes without a loss.
func TestP9_ReaderInTheMiddleResumes(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.sendBuffer = 4096
		s := start(t, d)
		from := s.position()
		sl, in := s.slowReader("f?last_event_id="+from, sseTransport)
		const n = 300
		s.putMany("f", 0, n, 2000)
		s.hub.Drain()
		next := sl.reader(in, sseTransport)
		seen := 0
		it, last := next(), from
		for ; it.kind == anItem; it = next() {
			if i := number(t, it.data); i != seen {
				t.Fatalf("item %d came, want %d", i, seen)
			}
			seen++
			last = it.id
		}
		switch it.kind {
		case closing:
			last = it.id
		case broken, ended:
		default:
			t.Fatalf("%+v", it)
		}
		if last == "" {
			t.Fatal("the closing has no id")
		}
		rest := s.page("f?limit=1000&last_event_id=" + last)
		if len(rest.Items) != n-seen {
			t.Errorf("%d items came, and %d are above the last position, of %d", seen, len(rest.Items), n)
		}
	})
}

func TestP9_WaitingPagesAnswerAtOnce(t *testing.T) {
	t.Parallel()
	d := deployment{memory: true}
	s := start(t, d)
	at := s.put("f", "x")
	got := make(chan page, 3)
	for range cap(got) {
		go func() { got <- s.page("f?wait=60s") }()
	}
	eventually(t, "the pages wait", func() bool { return s.metric("feedd_subscribers") == 3 })
	s.hub.Drain()
	for range cap(got) {
		if p := <-got; len(p.Items) > 0 || p.Cursor != at {
			t.Errorf("%+v", p)
		}
	}
	s.get("/feeds/f?wait=1s").mustProblem(t, 503, "draining")
	if p := s.page("f?since=all"); len(p.Items) != 1 { // that needs no waiting
		t.Errorf("%+v", p)
	}
}

func TestP9_PublishThatBeganIsAnsweredAndLaterOnesAreNot(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		entered, release := s.holdCommit(t)
		answered := make(chan answer)
		go func() { answered <- s.do("POST", "/feeds/f", "x") }()
		<-entered
		s.hub.Drain()
		s.do("POST", "/feeds/f", "y").mustProblem(t, 503, "draining")
		s.do("GET", "/readyz", "").mustProblem(t, 503, "draining")
		s.do("GET", "/healthz", "").mustStatus(t, http.StatusOK)
		release()
		(<-answered).mustStatus(t, http.StatusCreated)
		s.mustStore(1)
	})
}

// A refusal that will pass must not end an EventSource for good.
func TestP9_RefusalThatWillPass(t *testing.T) {
	for _, c := range []struct {
		reason string
		refuse func(s *server)
	}{
		{"draining", func(s *server) { s.hub.Drain() }},
		{"too-many-subscribers", func(s *server) {
			for range 2 {
				openSSE(s, "f")
			}
		}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			s := start(t, deployment{memory: true, options: api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 2}}})
			id := s.put("f", "x")
			c.refuse(s)
			for _, path := range []string{"f", "f?last_event_id=", "f?last=1", "f?last_event_id=garbage"} {
				r, in := openStream(s, path, "text/event-stream")
				e := newSSE(in)
				n := e.note()
				if n.kind != closing || n.why != c.reason || n.id != "" || n.retry == "" {
					t.Fatalf("%s: %+v", path, n)
				}
				if n := e.note(); n.kind != ended {
					t.Errorf("%s: %+v after the closing", path, n)
				}
				if !r.resp.Close {
					t.Errorf("%s: the connection is kept for who was refused", path)
				}
				if v := r.resp.Header.Get("Cache-Control"); v != "no-store, no-transform" {
					t.Errorf("Cache-Control %q", v)
				}
			}
			for _, position := range []string{id, "5", strconv.Itoa(int(stream.MaxID))} {
				_, in := openStream(s, "f", "text/event-stream", "Last-Event-ID: "+position)
				e := newSSE(in)
				open, n := e.note(), e.note()
				if open.kind != opening || open.id != position || open.retry == "" {
					t.Errorf("%+v came instead of an opening at %s", open, position)
				}
				if n.kind != closing || n.id != position || e.lastID != position {
					t.Errorf("%+v came instead of a closing at %s", n, position)
				}
				if n := e.note(); n.kind != ended {
					t.Errorf("%+v after the closing", n)
				}
			}
			for _, accept := range []string{"*/*", linesType, "text/event-stream, */*", "text/event-stream, application/json"} {
				s.do("GET", "/feeds/f", "", "Accept: "+accept).mustProblem(t, 503, c.reason)
			}
			s.get("/feeds/f?wait=1s").mustProblem(t, 503, c.reason)
			// What will not pass is refused as ever.
			s.do("GET", "/feeds/a..b", "", "Accept: text/event-stream").mustProblem(t, 400, "bad-selector")
			if c.reason == "too-many-subscribers" {
				if hits := s.metric(`feedd_limit_hits_total{limit="max_subscribers"}`); hits != 12 {
					t.Errorf("max_subscribers was hit %v times", hits)
				}
				s.page("f?since=all")
				s.put("f", "y")
			}
		})
	}
}

func TestP9_PlaceOfASubscriberIsFreeAgain(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, options: api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 1}}})
	for range 3 {
		r := openSSE(s, "f")
		s.do("GET", "/feeds/f", "").mustProblem(t, 503, "too-many-subscribers")
		r.close()
		eventually(t, "the place is free", func() bool { return s.metric("feedd_subscribers") == 0 })
		s.page("f?wait=1ms")
		eventually(t, "the place is free", func() bool { return s.metric("feedd_subscribers") == 0 })
	}
}

// serve's own order: Shutdown returns once all were answered.
func TestP9_ShutdownIsClean(t *testing.T) {
	t.Parallel()
	d := deployment{memory: true}
	s := start(t, d)
	var rs []*reader
	for _, tr := range streams {
		rs = append(rs, tr.open(s, "f"))
	}
	s.hub.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.core.Stop(ctx)
	if err := ctx.Err(); err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		if n := r.something(); n.kind != closing {
			t.Errorf("%+v", n)
		}
	}
}

func TestReadyz_ProbesAtMostOnceInAWhile(t *testing.T) {
	t.Parallel()
	f := new(faulty)
	s := start(t, deployment{
		memory: true, wrap: func(e stream.Engine) stream.Engine { f.Engine = e; return f },
		options: api.Options{Timeouts: api.Timeouts{Ready: time.Hour}},
	})
	f.probes.Store(true)
	for range 5 {
		s.do("GET", "/readyz", "", anonymous).mustProblem(t, 503, "unavailable")
		s.do("GET", "/healthz", "", anonymous).mustStatus(t, http.StatusOK)
	}
	if n := f.probed.Load(); n != 1 {
		t.Errorf("%d probes", n)
	}
	// A publish that worked is proof.
	s.put("f", "x")
	if a := s.do("GET", "/readyz", "", anonymous).mustStatus(t, http.StatusOK); strings.TrimSpace(a.body) != "ok" {
		t.Errorf("%q", a.body)
	}
	if n := f.probed.Load(); n != 1 {
		t.Errorf("%d probes", n)
	}
}

// A full disk may have room for a probe, but for no item.
func TestReadyz_KnowsOfPublishesThatFailed(t *testing.T) {
	t.Parallel()
	f := new(faulty)
	s := start(t, deployment{
		memory: true, wrap: func(e stream.Engine) stream.Engine { f.Engine = e; return f },
		options: api.Options{Timeouts: api.Timeouts{Ready: time.Hour}},
	})
	f.appends.Store(true)
	s.do("POST", "/feeds/f", "x").mustProblem(t, 503, "unavailable")
	s.do("GET", "/readyz", "", anonymous).mustProblem(t, 503, "unavailable")
	if n := f.probed.Load(); n != 0 {
		t.Errorf("%d probes", n)
	}
	f.appends.Store(false)
	s.put("f", "x")
	s.do("GET", "/readyz", "", anonymous).mustStatus(t, http.StatusOK)
	// What is wrong with an item is nothing of the store's.
	s.do("POST", "/feeds/f", "").mustProblem(t, 400, "empty-item")
	s.do("GET", "/readyz", "", anonymous).mustStatus(t, http.StatusOK)
}

func TestReadyz_WorksOnEachEngine(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		s.do("GET", "/readyz", "").mustStatus(t, http.StatusOK)
		s.mustStore(0)
		s.engine.Close()
		s.do("POST", "/feeds/f", "x").mustProblem(t, 503, "draining")
	})
}
