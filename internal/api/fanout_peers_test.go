package api_test

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
)

// awaitSubscribers waits until so many are counted.
func (s *server) awaitSubscribers(n int) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("there are %d subscribers", n), func() bool { return s.metric("feedd_subscribers") == float64(n) })
}

// A peer that goes is noticed by that alone: nothing is sent here that could
// fail.
func TestP5_PeersThatGoAreNoticed(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, options: api.Options{Timeouts: api.Timeouts{Heartbeat: time.Hour}}})
	var left []*tap
	for i, how := range []func(c *net.TCPConn){
		func(c *net.TCPConn) { c.Close() },
		func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		func(c *net.TCPConn) { c.CloseWrite() },
	} {
		gone, _ := s.tap("f", taps[i], 0)
		tp, _ := s.tap("f", taps[i], 0)
		left = append(left, tp)
		s.awaitSubscribers(len(left) + 1)
		how(gone.conn)
		s.awaitSubscribers(len(left))
	}
	it := s.text("f", "x")
	for _, tp := range left {
		tp.mustItem(it)
	}
	if n := s.metric("feedd_subscribers_cut_total"); n != 0 {
		t.Errorf("%v were cut", n)
	}
}

// P5: many that take nothing hold up neither publishers nor a live reader.
func TestP5_ManyStalledReadersHoldUpNobody(t *testing.T) {
	t.Parallel()
	const stalled, items = 200, 150
	s := start(t, deployment{memory: true, sendBuffer: 4096, options: api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 1000}}})
	for i := range stalled {
		s.tap("f", taps[i%len(taps)], 4096)
	}
	live := openSSE(s, "f")
	got := make(chan int)
	go func() {
		n := 0
		for ; n < items; n++ {
			if it := live.something(); it.kind != anItem || !strings.HasPrefix(it.data, fmt.Sprintf("%d ", n)) {
				break
			}
		}
		got <- n
	}()
	for i := range items {
		s.put("f", fmt.Sprintf("%d %s", i, strings.Repeat("x", 4000)))
	}
	if n := <-got; n != items {
		t.Errorf("the live reader got %d items of %d", n, items)
	}
	if n := s.metric("feedd_subscribers"); n != stalled+1 {
		t.Errorf("%v subscribers are left", n)
	}
}

// P5: who is over a bound is refused for a while, and a place is free again
// when somebody leaves, however.
func TestP5_MaxSubscribersPerIP(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, sendBuffer: 4096, options: api.Options{Subscribe: subscribe.Limits{MaxSubscribersPerIP: 3, MaxSubscribers: 4}}})
	var in []*tap
	for i := range 3 {
		tp, _ := s.tap("f", taps[i], 4096)
		in = append(in, tp)
	}
	for round, leave := range []func(tp *tap){
		func(tp *tap) { tp.conn.Close() },
		func(tp *tap) { tp.reset() },
		func(tp *tap) { // while it is blocked
			for range 20 {
				s.text("f", strings.Repeat("x", 50_000))
			}
			tp.reset()
		},
	} {
		before := s.metric(`feedd_limit_hits_total{limit="max_subscribers_per_ip"}`)
		s.do("GET", "/feeds/f", "", "Accept: "+linesType).mustProblem(t, 503, "too-many-subscribers")
		s.get("/feeds/f?wait=1s").mustProblem(t, 503, "too-many-subscribers")
		refused := s.ask("f", sseTransport, 0)
		n, _ := refused.wait(patience)
		if ms, _ := strconv.Atoi(n.retry); n.kind != closing || n.why != "too-many-subscribers" || ms < 100 {
			t.Errorf("%+v came to an EventSource that was refused", n)
		}
		if rest, err := refused.rest(); len(rest) > 0 || !isEOF(err) {
			t.Errorf("%q, %v after the closing", rest, err)
		}
		if hits := s.metric(`feedd_limit_hits_total{limit="max_subscribers_per_ip"}`); hits != before+3 {
			t.Errorf("max_subscribers_per_ip was hit %v times", hits-before)
		}
		leave(in[round])
		s.awaitSubscribers(2)
		in[round], _ = s.tap("other", taps[round], 0)
		s.awaitSubscribers(3)
	}
}

// Descriptors and places are used again at once: nobody gets what is somebody
// else's, nor loses the connection to the one who had it before.
func TestP1_QuickReconnects(t *testing.T) {
	t.Parallel()
	const feeds, each = 6, 60
	s := start(t, deployment{memory: true, sendBuffer: 4096})
	stop := make(chan struct{})
	var publishing, reading sync.WaitGroup
	publishing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			feed := fmt.Sprint("feed", i%feeds)
			s.publish(feed, stream.Draft{Data: fmt.Appendf(nil, "%s %s", feed, strings.Repeat("x", i%3*3000))})
			time.Sleep(200 * time.Microsecond)
		}
	})
	for f := range feeds {
		reading.Go(func() {
			feed := fmt.Sprint("feed", f)
			last := ""
			for i := range each {
				path := feed
				if last != "" && i%2 == 0 {
					path += "?last_event_id=" + last
				}
				tp := s.ask(path, taps[i%len(taps)], 4096)
				for range 1 + i%3 {
					n, ok := tp.wait(patience)
					for ok && n.kind != anItem {
						n, ok = tp.wait(patience)
					}
					if !ok {
						t.Errorf("a reader of %s lost its connection: %v, after %.100q", feed, tp.ended, tp.buf)
						return
					}
					if !strings.HasPrefix(n.data, feed+" ") || n.id <= last {
						t.Errorf("a reader of %s at %s got %.50q, %s", feed, last, n.data, n.id)
						return
					}
					last = n.id
				}
				switch i % 3 {
				case 0:
					tp.reset()
				default:
					tp.conn.Close()
				}
			}
		})
	}
	reading.Wait()
	close(stop)
	publishing.Wait()
	s.awaitSubscribers(0)
}

// P9: every subscriber is told to come back, and when, with its position, and
// its connection ends in order; one that takes nothing is closed; nobody else
// gets in.
func TestP9_DrainOfMany(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, sendBuffer: 4096, options: api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 1000}}})
	const each = 50
	var parked, stuck []*tap
	for i := range each {
		tp, _ := s.tap(fmt.Sprint("f,quiet", i%5), taps[i%len(taps)], 0)
		if s.shards.Takes(tp.conn) {
			fmt.Fprint(tp.conn, "said and not read") // must not make the end a reset
		}
		parked = append(parked, tp)
	}
	for range 10 {
		tp, _ := s.tap("big", sseTransport, 4096)
		stuck = append(stuck, tp)
	}
	first := s.text("big", strings.Repeat("x", 200_000))
	it := s.text("f", "x")
	for _, tp := range parked {
		tp.mustItem(it)
	}
	blocked, same := uint64(0), 0
	eventually(t, "nothing more goes to those who take nothing", func() bool {
		if now := s.shards.Stats().Blocked; now != blocked {
			blocked, same = now, 0
		}
		same++
		return same > 50
	})
	s.hub.Drain()
	waits := make(map[string]bool)
	for _, tp := range parked {
		n := tp.something()
		ms, err := strconv.Atoi(n.retry)
		if n.kind != closing || n.why != "draining" || n.id != it.ID.String() || err != nil || ms < 100 || ms > 10_000 {
			t.Fatalf("%+v came instead of a closing at %s", n, it.ID)
		}
		waits[n.retry] = true
		if rest, err := tp.rest(); len(rest) > 0 || !isEOF(err) {
			t.Errorf("%q, %v came after the closing", rest, err)
		}
	}
	if len(waits) < each/2 {
		t.Errorf("%d readers come back at only %d times", each, len(waits))
	}
	if s.shards.Takes(stuck[0].conn) {
		s.awaitSubscribers(0) // though they read nothing
	}
	for _, tp := range stuck {
		all, err := tp.rest()
		frame := frameOf(sseTransport, first)
		if s.shards.Takes(tp.conn) { // a loop is in its write, and finishes that
			if got := silence(tp.tr, string(all), 0); err == nil || !strings.HasPrefix(frame, got) {
				t.Errorf("%d bytes (%v) came to who takes nothing, ending in %.100q", len(all), err, all[max(0, len(all)-100):])
			}
		}
	}
	s.do("GET", "/feeds/f", "", "Accept: "+linesType).mustProblem(t, 503, "draining")
	s.awaitSubscribers(0)
	s.shards.Close()
}

// silence returns what follows the signs of life that a stream begins with.
func silence(tr transport, b string, at stream.ID) string {
	sign := ":\n\n"
	if tr.name == "ndjson" {
		sign = fmt.Sprintf("{\"cursor\":\"%d\"}\n", at)
	}
	for strings.HasPrefix(b, sign) {
		b = b[len(sign):]
	}
	return b
}
