package api_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
)

// P9: every stream is told when to come back, and ends.
func TestP9_StreamsAreToldWhenToComeBackAndEnd(t *testing.T) {
	t.Parallel()
	d := servertest.Deployment{Memory: true}
	s := servertest.Start(t, d)
	var rs []*servertest.Reader
	for range 5 {
		for _, tr := range servertest.Streams {
			rs = append(rs, tr.Open(s, "f"))
		}
	}
	last := s.Put("f", "x")
	for _, r := range rs {
		r.MustItems("x")
	}
	s.Hub.Drain()
	waits := make(map[string]bool)
	for _, r := range rs {
		n := r.Something()
		if n.Kind != servertest.Closing || n.Why != "draining" || n.Id != last {
			t.Fatalf("%+v came instead of a closing at %s", n, last)
		}
		ms, err := strconv.Atoi(n.Retry)
		if err != nil || ms < 100 || ms > 10_000 {
			t.Errorf("retry %q in %q", n.Retry, n.Raw)
		}
		waits[n.Retry] = true
		if n := r.Next(); n.Kind != servertest.Ended {
			t.Errorf("%+v came after the closing", n)
		}
	}
	if len(waits) < 3 {
		t.Errorf("%d readers come back at only %d times", len(rs), len(waits))
	}
}

func TestP9_ClosingBytes(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	last := s.Put("f", "x")
	sse, lines := servertest.OpenSSE(s, "f"), servertest.OpenNDJSON(s, "f")
	s.Hub.Drain()
	n := sse.Something()
	if want := `event: closing` + "\n" + `data: {"reason":"draining","cursor":"` + last + `","retry":` + n.Retry + "}\nretry: " + n.Retry + "\nid: " + last + "\n\n"; n.Raw != want {
		t.Errorf("%q, want %q", n.Raw, want)
	}
	n = lines.Something()
	if want := `{"closing":{"reason":"draining","cursor":"` + last + `","retry":` + n.Retry + "}}\n"; n.Raw != want {
		t.Errorf("%q, want %q", n.Raw, want)
	}
}

// P9: a reader in the middle of its backlog ends too: with a closing, or where
// half of an item was written, without. It resumes without a loss.
func TestP9_ReaderInTheMiddleResumes(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.SendBuffer = 4096
		s := servertest.Start(t, d)
		from := s.Position()
		sl, in := s.SlowReader("f?last_event_id="+from, servertest.SseTransport)
		const n = 300
		s.PutMany("f", 0, n, 2000)
		s.Hub.Drain()
		next := sl.Reader(in, servertest.SseTransport)
		seen := 0
		it, last := next(), from
		for ; it.Kind == servertest.AnItem; it = next() {
			if i := servertest.Number(t, it.Data); i != seen {
				t.Fatalf("item %d came, want %d", i, seen)
			}
			seen++
			last = it.Id
		}
		switch it.Kind {
		case servertest.Closing:
			last = it.Id
		case servertest.Broken, servertest.Ended:
		default:
			t.Fatalf("%+v", it)
		}
		if last == "" {
			t.Fatal("the closing has no id")
		}
		rest := s.Page("f?limit=1000&last_event_id=" + last)
		if len(rest.Items) != n-seen {
			t.Errorf("%d items came, and %d are above the last position, of %d", seen, len(rest.Items), n)
		}
	})
}

func TestP9_WaitingPagesAnswerAtOnce(t *testing.T) {
	t.Parallel()
	d := servertest.Deployment{Memory: true}
	s := servertest.Start(t, d)
	at := s.Put("f", "x")
	got := make(chan servertest.Page, 3)
	for range cap(got) {
		go func() { got <- s.Page("f?wait=60s") }()
	}
	servertest.Eventually(t, "the pages wait", func() bool { return s.Metric("feedd_subscribers") == 3 })
	s.Hub.Drain()
	for range cap(got) {
		if p := <-got; len(p.Items) > 0 || p.Cursor != at {
			t.Errorf("%+v", p)
		}
	}
	s.Get("/feeds/f?wait=1s").MustProblem(t, 503, "draining")
	if p := s.Page("f?since=all"); len(p.Items) != 1 { // that needs no waiting
		t.Errorf("%+v", p)
	}
}

func TestP9_PublishThatBeganIsAnsweredAndLaterOnesAreNot(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		entered, release := s.HoldCommit(t)
		answered := make(chan servertest.Answer)
		go func() { answered <- s.Do("POST", "/feeds/f", "x") }()
		<-entered
		s.Hub.Drain()
		s.Do("POST", "/feeds/f", "y").MustProblem(t, 503, "draining")
		s.Do("GET", "/readyz", "").MustProblem(t, 503, "draining")
		s.Do("GET", "/healthz", "").MustStatus(t, http.StatusOK)
		release()
		(<-answered).MustStatus(t, http.StatusCreated)
		s.MustStore(1)
	})
}

// A refusal that will pass must not end an EventSource for good.
func TestP9_RefusalThatWillPass(t *testing.T) {
	for _, c := range []struct {
		reason string
		refuse func(s *servertest.Server)
	}{
		{"draining", func(s *servertest.Server) { s.Hub.Drain() }},
		{"too-many-subscribers", func(s *servertest.Server) {
			for range 2 {
				servertest.OpenSSE(s, "f")
			}
		}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 2}}})
			id := s.Put("f", "x")
			c.refuse(s)
			for _, path := range []string{"f", "f?last_event_id=", "f?last=1", "f?last_event_id=garbage"} {
				r, in := servertest.OpenStream(s, path, "text/event-stream")
				e := servertest.NewSSE(in)
				n := e.Note()
				if n.Kind != servertest.Closing || n.Why != c.reason || n.Id != "" || n.Retry == "" {
					t.Fatalf("%s: %+v", path, n)
				}
				if n := e.Note(); n.Kind != servertest.Ended {
					t.Errorf("%s: %+v after the closing", path, n)
				}
				if !r.Resp.Close {
					t.Errorf("%s: the connection is kept for who was refused", path)
				}
				if v := r.Resp.Header.Get("Cache-Control"); v != "no-store, no-transform" {
					t.Errorf("Cache-Control %q", v)
				}
			}
			for _, position := range []string{id, "5", strconv.Itoa(int(stream.MaxID))} {
				_, in := servertest.OpenStream(s, "f", "text/event-stream", "Last-Event-ID: "+position)
				e := servertest.NewSSE(in)
				open, n := e.Note(), e.Note()
				if open.Kind != servertest.Opening || open.Id != position || open.Retry == "" {
					t.Errorf("%+v came instead of an opening at %s", open, position)
				}
				if n.Kind != servertest.Closing || n.Id != position || e.LastID != position {
					t.Errorf("%+v came instead of a closing at %s", n, position)
				}
				if n := e.Note(); n.Kind != servertest.Ended {
					t.Errorf("%+v after the closing", n)
				}
			}
			for _, accept := range []string{"*/*", servertest.LinesType, "text/event-stream, */*", "text/event-stream, application/json"} {
				s.Do("GET", "/feeds/f", "", "Accept: "+accept).MustProblem(t, 503, c.reason)
			}
			s.Get("/feeds/f?wait=1s").MustProblem(t, 503, c.reason)
			// What will not pass is refused as ever.
			s.Do("GET", "/feeds/a..b", "", "Accept: text/event-stream").MustProblem(t, 400, "bad-selector")
			if c.reason == "too-many-subscribers" {
				if hits := s.Metric(`feedd_limit_hits_total{limit="max_subscribers"}`); hits != 12 {
					t.Errorf("max_subscribers was hit %v times", hits)
				}
				s.Page("f?since=all")
				s.Put("f", "y")
			}
		})
	}
}

func TestP9_PlaceOfASubscriberIsFreeAgain(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 1}}})
	for range 3 {
		r := servertest.OpenSSE(s, "f")
		s.Do("GET", "/feeds/f", "").MustProblem(t, 503, "too-many-subscribers")
		r.Close()
		servertest.Eventually(t, "the place is free", func() bool { return s.Metric("feedd_subscribers") == 0 })
		s.Page("f?wait=1ms")
		servertest.Eventually(t, "the place is free", func() bool { return s.Metric("feedd_subscribers") == 0 })
	}
}

// serve's own order: Shutdown returns once all were answered.
func TestP9_ShutdownIsClean(t *testing.T) {
	t.Parallel()
	d := servertest.Deployment{Memory: true}
	s := servertest.Start(t, d)
	var rs []*servertest.Reader
	for _, tr := range servertest.Streams {
		rs = append(rs, tr.Open(s, "f"))
	}
	s.Hub.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), servertest.Patience)
	defer cancel()
	s.Core.Stop(ctx)
	if err := ctx.Err(); err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		if n := r.Something(); n.Kind != servertest.Closing {
			t.Errorf("%+v", n)
		}
	}
}

func TestReadyz_ProbesAtMostOnceInAWhile(t *testing.T) {
	t.Parallel()
	f := new(servertest.Faulty)
	s := servertest.Start(t, servertest.Deployment{
		Memory: true, Wrap: func(e stream.Engine) stream.Engine { f.Engine = e; return f },
		Options: api.Options{Timeouts: api.Timeouts{Ready: time.Hour}},
	})
	f.Probes.Store(true)
	for range 5 {
		s.Do("GET", "/readyz", "", servertest.Anonymous).MustProblem(t, 503, "unavailable")
		s.Do("GET", "/healthz", "", servertest.Anonymous).MustStatus(t, http.StatusOK)
	}
	if n := f.Probed.Load(); n != 1 {
		t.Errorf("%d probes", n)
	}
	// A publish that worked is proof.
	s.Put("f", "x")
	if a := s.Do("GET", "/readyz", "", servertest.Anonymous).MustStatus(t, http.StatusOK); strings.TrimSpace(a.Body) != "ok" {
		t.Errorf("%q", a.Body)
	}
	if n := f.Probed.Load(); n != 1 {
		t.Errorf("%d probes", n)
	}
}

// A full disk may have room for a probe, but for no item.
func TestReadyz_KnowsOfPublishesThatFailed(t *testing.T) {
	t.Parallel()
	f := new(servertest.Faulty)
	s := servertest.Start(t, servertest.Deployment{
		Memory: true, Wrap: func(e stream.Engine) stream.Engine { f.Engine = e; return f },
		Options: api.Options{Timeouts: api.Timeouts{Ready: time.Hour}},
	})
	f.Appends.Store(true)
	s.Do("POST", "/feeds/f", "x").MustProblem(t, 503, "unavailable")
	s.Do("GET", "/readyz", "", servertest.Anonymous).MustProblem(t, 503, "unavailable")
	if n := f.Probed.Load(); n != 0 {
		t.Errorf("%d probes", n)
	}
	f.Appends.Store(false)
	s.Put("f", "x")
	s.Do("GET", "/readyz", "", servertest.Anonymous).MustStatus(t, http.StatusOK)
	// What is wrong with an item is nothing of the store's.
	s.Do("POST", "/feeds/f", "").MustProblem(t, 400, "empty-item")
	s.Do("GET", "/readyz", "", servertest.Anonymous).MustStatus(t, http.StatusOK)
}

func TestReadyz_WorksOnEachEngine(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		s.Do("GET", "/readyz", "").MustStatus(t, http.StatusOK)
		s.MustStore(0)
		s.Engine.Close()
		s.Do("POST", "/feeds/f", "x").MustProblem(t, 503, "draining")
	})
}
