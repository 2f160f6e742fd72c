package subscribe_test

import (
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
)

// P5: a subscriber that does not read holds up neither publishers nor other
// subscribers.
func TestP5_ReaderThatNeverReadsHoldsUpNobody(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.SendBuffer = 4096
		s := servertest.Start(t, d) // the stall timeout is an hour: who waited for one would wait for long
		from := s.Position()
		for range 3 {
			s.SlowReader("f?last_event_id="+from, servertest.SseTransport)
		}
		other := servertest.OpenSSE(s, "f?last_event_id="+from)
		const n = 1000
		got := make(chan int)
		go func() {
			seen := 0
			for i := range n {
				if servertest.Number(t, other.Item().Data) == i {
					seen++
				}
			}
			got <- seen
		}()
		s.PutMany("f", 0, n, 2000)
		if seen := <-got; seen != n {
			t.Errorf("the other reader got %d of %d items", seen, n)
		}
		if subs := s.Metric("feedd_subscribers"); subs != 4 {
			t.Errorf("%v subscribers are left: the test did not show what it shall", subs)
		}
	})
}

// P5: it is cut after the stall timeout, and comes back without a loss.
func TestP5_StalledReaderIsCutAndResumes(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.SendBuffer = 4096
		d.Options = api.Options{Timeouts: api.Timeouts{Stall: 300 * time.Millisecond, Heartbeat: time.Hour}}
		s := servertest.Start(t, d)
		from := s.Position()
		sl, in := s.SlowReader("f?last_event_id="+from, servertest.SseTransport)
		const n = 300
		s.PutMany("f", 0, n, 2000)
		servertest.Eventually(t, "the reader is cut", func() bool { return s.Metric("feedd_subscribers") == 0 })
		if cut := s.Metric("feedd_subscribers_cut_total"); cut != 1 {
			t.Errorf("%v were cut", cut)
		}
		if hits := s.Metric(`feedd_limit_hits_total{limit="stall_timeout"}`); hits != 1 {
			t.Errorf("stall_timeout was hit %v times", hits)
		}
		seen, last := 0, from
		take := func(it servertest.Note) {
			if i := servertest.Number(t, it.Data); i != seen {
				t.Fatalf("item %d came, want %d", i, seen)
			}
			seen, last = seen+1, it.Id
		}
		next := sl.Reader(in, servertest.SseTransport)
		for it := next(); it.Kind == servertest.AnItem; it = next() {
			take(it)
		}
		if seen == n {
			t.Fatal("it got everything before it was cut: the test did not show what it shall")
		}
		for seen < n { // on a busy machine it may be cut again
			r := servertest.OpenSSE(s, "f?last_event_id="+last)
			for it := r.Something(); it.Kind == servertest.AnItem; it = r.Something() {
				if take(it); seen == n {
					break
				}
			}
			r.Close()
		}
	})
}

// A quiet stream is in order for longer than the stall timeout.
func TestP5_QuietReaderIsNotCut(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Timeouts: api.Timeouts{Stall: 100 * time.Millisecond, Heartbeat: 300 * time.Millisecond}}})
	r := servertest.OpenSSE(s, "f")
	for range 2 {
		if n := r.Next(); n.Kind != servertest.AComment {
			t.Fatalf("%+v", n)
		}
	}
	s.Put("f", "x")
	r.MustItems("x")
}
