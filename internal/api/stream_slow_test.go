package api_test

import (
	"testing"
	"time"

	"feedd/internal/api"
)

// P5: whoever does not read holds up neither publishers nor others.
func TestP5_ReaderThatNeverReadsHoldsUpNobody(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.sendBuffer = 4096
		s := start(t, d) // the stall timeout is an hour: who waited for one would wait for long
		from := s.position()
		for range 3 {
			s.slowReader("f?last_event_id="+from, sseTransport)
		}
		other := openSSE(s, "f?last_event_id="+from)
		const n = 1000
		got := make(chan int)
		go func() {
			seen := 0
			for i := range n {
				if number(t, other.item().data) == i {
					seen++
				}
			}
			got <- seen
		}()
		s.putMany("f", 0, n, 2000)
		if seen := <-got; seen != n {
			t.Errorf("the other reader got %d of %d items", seen, n)
		}
		if subs := s.metric("feedd_subscribers"); subs != 4 {
			t.Errorf("%v subscribers are left: the test did not show what it shall", subs)
		}
	})
}

// P5: it is cut after the stall timeout, and comes back without a loss.
func TestP5_StalledReaderIsCutAndResumes(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.sendBuffer = 4096
		d.options = api.Options{Timeouts: api.Timeouts{Stall: 300 * time.Millisecond, Heartbeat: time.Hour}}
		s := start(t, d)
		from := s.position()
		sl, in := s.slowReader("f?last_event_id="+from, sseTransport)
		const n = 300
		s.putMany("f", 0, n, 2000)
		eventually(t, "the reader is cut", func() bool { return s.metric("feedd_subscribers") == 0 })
		if cut := s.metric("feedd_subscribers_cut_total"); cut != 1 {
			t.Errorf("%v were cut", cut)
		}
		if hits := s.metric(`feedd_limit_hits_total{limit="stall_timeout"}`); hits != 1 {
			t.Errorf("stall_timeout was hit %v times", hits)
		}
		seen, last := 0, from
		take := func(it note) {
			if i := number(t, it.data); i != seen {
				t.Fatalf("item %d came, want %d", i, seen)
			}
			seen, last = seen+1, it.id
		}
		next := sl.reader(in, sseTransport)
		for it := next(); it.kind == anItem; it = next() {
			take(it)
		}
		if seen == n {
			t.Fatal("it got everything before it was cut: the test did not show what it shall")
		}
		for seen < n { // on a busy machine it may be cut again
			r := openSSE(s, "f?last_event_id="+last)
			for it := r.something(); it.kind == anItem; it = r.something() {
				if take(it); seen == n {
					break
				}
			}
			r.close()
		}
	})
}

// A quiet stream is in order for longer than the stall timeout.
func TestP5_QuietReaderIsNotCut(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, options: api.Options{Timeouts: api.Timeouts{Stall: 100 * time.Millisecond, Heartbeat: 300 * time.Millisecond}}})
	r := openSSE(s, "f")
	for range 2 {
		if n := r.next(); n.kind != aComment {
			t.Fatalf("%+v", n)
		}
	}
	s.put("f", "x")
	r.mustItems("x")
}
