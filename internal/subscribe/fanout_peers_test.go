package subscribe_test

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
)

// A peer that goes is noticed by that alone: nothing is sent here that could
// fail.
func TestP5_PeersThatGoAreNoticed(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Timeouts: api.Timeouts{Heartbeat: time.Hour}}})
	var left []*servertest.Tap
	for i, how := range []func(c *net.TCPConn){
		func(c *net.TCPConn) { c.Close() },
		func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		func(c *net.TCPConn) { c.CloseWrite() },
	} {
		gone, _ := s.Tap("f", servertest.Taps[i], 0)
		tp, _ := s.Tap("f", servertest.Taps[i], 0)
		left = append(left, tp)
		s.AwaitSubscribers(len(left) + 1)
		how(gone.Conn)
		s.AwaitSubscribers(len(left))
	}
	it := s.Text("f", "x")
	for _, tp := range left {
		tp.MustItem(it)
	}
	if n := s.Metric("feedd_subscribers_cut_total"); n != 0 {
		t.Errorf("%v were cut", n)
	}
}

// P5: many that take nothing hold up neither publishers nor a live reader.
func TestP5_ManyStalledReadersHoldUpNobody(t *testing.T) {
	t.Parallel()
	const stalled, items = 200, 150
	s := servertest.Start(t, servertest.Deployment{Memory: true, SendBuffer: 4096, Options: api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 1000}}})
	for i := range stalled {
		s.Tap("f", servertest.Taps[i%len(servertest.Taps)], 4096)
	}
	live := servertest.OpenSSE(s, "f")
	got := make(chan int)
	go func() {
		n := 0
		for ; n < items; n++ {
			if it := live.Something(); it.Kind != servertest.AnItem || !strings.HasPrefix(it.Data, fmt.Sprintf("%d ", n)) {
				break
			}
		}
		got <- n
	}()
	for i := range items {
		s.Put("f", fmt.Sprintf("%d %s", i, strings.Repeat("x", 4000)))
	}
	if n := <-got; n != items {
		t.Errorf("the live reader got %d items of %d", n, items)
	}
	if n := s.Metric("feedd_subscribers"); n != stalled+1 {
		t.Errorf("%v subscribers are left", n)
	}
}

// P5: a subscriber above a bound is refused for a while, and a place is free
// again when another one leaves, however that is.
func TestP5_MaxSubscribersPerIP(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, SendBuffer: 4096, Options: api.Options{Subscribe: subscribe.Limits{MaxSubscribersPerIP: 3, MaxSubscribers: 4}}})
	var in []*servertest.Tap
	for i := range 3 {
		tp, _ := s.Tap("f", servertest.Taps[i], 4096)
		in = append(in, tp)
	}
	for round, leave := range []func(tp *servertest.Tap){
		func(tp *servertest.Tap) { tp.Conn.Close() },
		func(tp *servertest.Tap) { tp.Reset() },
		func(tp *servertest.Tap) { // while it is blocked
			for range 20 {
				s.Text("f", strings.Repeat("x", 50_000))
			}
			tp.Reset()
		},
	} {
		before := s.Metric(`feedd_limit_hits_total{limit="max_subscribers_per_ip"}`)
		s.Do("GET", "/feeds/f", "", "Accept: "+servertest.LinesType).MustProblem(t, 503, "too-many-subscribers")
		s.Get("/feeds/f?wait=1s").MustProblem(t, 503, "too-many-subscribers")
		refused := s.Ask("f", servertest.SseTransport, 0)
		n, _ := refused.Wait(servertest.Patience)
		if ms, _ := strconv.Atoi(n.Retry); n.Kind != servertest.Closing || n.Why != "too-many-subscribers" || ms < 100 {
			t.Errorf("%+v came to an EventSource that was refused", n)
		}
		if rest, err := refused.Rest(); len(rest) > 0 || !servertest.IsEOF(err) {
			t.Errorf("%q, %v after the closing", rest, err)
		}
		if hits := s.Metric(`feedd_limit_hits_total{limit="max_subscribers_per_ip"}`); hits != before+3 {
			t.Errorf("max_subscribers_per_ip was hit %v times", hits-before)
		}
		leave(in[round])
		s.AwaitSubscribers(2)
		in[round], _ = s.Tap("other", servertest.Taps[round], 0)
		s.AwaitSubscribers(3)
	}
}

// Descriptors and slots are used again at once: no subscriber gets the items of
// another, nor loses its connection because of an earlier one in its slot.
func TestP1_QuickReconnects(t *testing.T) {
	t.Parallel()
	const feeds, each = 6, 60
	s := servertest.Start(t, servertest.Deployment{Memory: true, SendBuffer: 4096})
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
			s.Publish(feed, stream.Draft{Data: fmt.Appendf(nil, "%s %s", feed, strings.Repeat("x", i%3*3000))})
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
				tp := s.Ask(path, servertest.Taps[i%len(servertest.Taps)], 4096)
				for range 1 + i%3 {
					n, ok := tp.Wait(servertest.Patience)
					for ok && n.Kind != servertest.AnItem {
						n, ok = tp.Wait(servertest.Patience)
					}
					if !ok {
						t.Errorf("a reader of %s lost its connection: %v, after %.100q", feed, tp.Ended, tp.Buf)
						return
					}
					if !strings.HasPrefix(n.Data, feed+" ") || n.Id <= last {
						t.Errorf("a reader of %s at %s got %.50q, %s", feed, last, n.Data, n.Id)
						return
					}
					last = n.Id
				}
				switch i % 3 {
				case 0:
					tp.Reset()
				default:
					tp.Conn.Close()
				}
			}
		})
	}
	reading.Wait()
	close(stop)
	publishing.Wait()
	s.AwaitSubscribers(0)
}

// P9: every subscriber is told to come back, and when, with its position, and
// its connection ends in order; one that takes nothing is closed; no other gets
// in.
func TestP9_DrainOfMany(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, SendBuffer: 4096, Options: api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 1000}}})
	const each = 50
	var parked, stuck []*servertest.Tap
	for i := range each {
		tp, _ := s.Tap(fmt.Sprint("f,quiet", i%5), servertest.Taps[i%len(servertest.Taps)], 0)
		if s.Shards.Takes(tp.Conn) {
			fmt.Fprint(tp.Conn, "said and not read") // must not make the end a reset
		}
		parked = append(parked, tp)
	}
	for range 10 {
		tp, _ := s.Tap("big", servertest.SseTransport, 4096)
		stuck = append(stuck, tp)
	}
	first := s.Text("big", strings.Repeat("x", 200_000))
	it := s.Text("f", "x")
	for _, tp := range parked {
		tp.MustItem(it)
	}
	blocked, same := uint64(0), 0
	servertest.Eventually(t, "nothing more goes to those who take nothing", func() bool {
		if now := s.Shards.Stats().Blocked; now != blocked {
			blocked, same = now, 0
		}
		same++
		return same > 50
	})
	s.Hub.Drain()
	waits := make(map[string]bool)
	for _, tp := range parked {
		n := tp.Something()
		ms, err := strconv.Atoi(n.Retry)
		if n.Kind != servertest.Closing || n.Why != "draining" || n.Id != it.ID.String() || err != nil || ms < 100 || ms > 10_000 {
			t.Fatalf("%+v came instead of a closing at %s", n, it.ID)
		}
		waits[n.Retry] = true
		if rest, err := tp.Rest(); len(rest) > 0 || !servertest.IsEOF(err) {
			t.Errorf("%q, %v came after the closing", rest, err)
		}
	}
	if len(waits) < each/2 {
		t.Errorf("%d readers come back at only %d times", each, len(waits))
	}
	if s.Shards.Takes(stuck[0].Conn) {
		s.AwaitSubscribers(0) // though they read nothing
	}
	for _, tp := range stuck {
		all, err := tp.Rest()
		frame := servertest.FrameOf(servertest.SseTransport, first)
		if s.Shards.Takes(tp.Conn) { // a loop is in its write, and finishes that
			if got := silence(tp.Tr, string(all), 0); err == nil || !strings.HasPrefix(frame, got) {
				t.Errorf("%d bytes (%v) came to who takes nothing, ending in %.100q", len(all), err, all[max(0, len(all)-100):])
			}
		}
	}
	s.Do("GET", "/feeds/f", "", "Accept: "+servertest.LinesType).MustProblem(t, 503, "draining")
	s.AwaitSubscribers(0)
	s.Shards.Close()
}

// silence returns what follows the signs of life that a stream begins with.
func silence(tr servertest.Transport, b string, at stream.ID) string {
	sign := ":\n\n"
	if tr.Name == "ndjson" {
		sign = fmt.Sprintf("{\"cursor\":\"%d\"}\n", at)
	}
	for strings.HasPrefix(b, sign) {
		b = b[len(sign):]
	}
	return b
}
