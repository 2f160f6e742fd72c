package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"feedd/internal/stream"
	"feedd/internal/upstream"
	"feedd/internal/wire"
)

// wiki is a server with a fixed number of events and ids as Wikimedia's: JSON of
// some 500 bytes.
type wiki struct {
	events int
	end    string // of a line

	mu     sync.Mutex // guards the fields below
	visits int
	// cut returns how many of the bytes are sent, and whether the connection is
	// lost then, or ends well.
	cut func(bytes int) (int, bool)
}

func (s *wiki) id(n int) string {
	const topic = `{"topic":"%s.mediawiki.recentchange.of.a.rather.long.name.%s","partition":0,"%s":%d}`
	return "[" + fmt.Sprintf(topic, "eqiad", strings.Repeat("é", 60), "timestamp", 1763792000000+n) + ", " +
		fmt.Sprintf(topic, "codfw", strings.Repeat("x", 100), "offset", -1) + fmt.Sprintf(`,{"n":%d}]`, n)
}

func (s *wiki) data(n int) string { return fmt.Sprintf(`{"n":%d,"title":"Ünï %d"}`, n, n*n) }

func (s *wiki) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	after := -1
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		_, n, _ := strings.Cut(id, `{"n":`)
		fmt.Sscanf(n, "%d}]", &after)
		if id != s.id(after) {
			panic("an id was not presented as it was given: " + id)
		}
	}
	var b strings.Builder
	b.WriteString("\ufeff:ok\n\n")
	for n := after + 1; n < s.events; n++ {
		half := strings.Index(s.data(n), ",") + 1 // a line end is whitespace there
		fmt.Fprintf(&b, ": comment\n\nevent: message\nid: %s\ndata: %s\ndata: %s\n\n", s.id(n), s.data(n)[:half], s.data(n)[half:])
	}
	bytes := strings.ReplaceAll(b.String(), "\n", s.end)
	s.mu.Lock()
	s.visits++
	n, lost := s.cut(len(bytes))
	s.mu.Unlock()
	says(w, r, bytes[:n], n == len(bytes))
	if lost {
		panic(http.ErrAbortHandler)
	}
}

func (s *wiki) want() (want []string) {
	for n := range s.events {
		want = append(want, "json "+s.data(n))
	}
	return want
}

// Whatever happens to the connections and the commits, and however often
// following begins anew, each item is stored once, in order.
func TestP3_EachItemOnceInOrder(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 1))
			s := &wiki{events: 60 + dice.IntN(60), end: []string{"\n", "\r\n", "\r"}[seed%3]}
			s.cut = func(bytes int) (int, bool) {
				if s.visits > 25 {
					return bytes, false
				}
				return dice.IntN(min(bytes, 20_000)), dice.IntN(2) == 0
			}
			inBubble(t, stream.StoreOptions{}, s.ServeHTTP, func(w *world) {
				commits, stops := rand.New(rand.NewPCG(seed, 2)), rand.New(rand.NewPCG(seed, 3))
				fault := func() error {
					if commits.IntN(4) == 0 {
						return errors.New("a fault of the test's own")
					}
					return nil
				}
				w.faults.set(fault, fault)
				for range 5 {
					w.start()
					time.Sleep(time.Duration(stops.IntN(20_000)) * time.Millisecond)
					w.stop()
				}
				w.faults.set(nil, nil)
				w.start()
				w.has(s.want()...)
				if at := w.at(); at != s.id(s.events-1) {
					t.Errorf("the store says %s", at)
				}
			})
		})
	}
}

// What an event becomes.
func TestEventsBecomeItems(t *testing.T) {
	gap := string(wire.AppendSSEGap(nil, &stream.Gap{After: "5", Through: 99, Oldest: 101, Reason: stream.Trimmed, ID: 99}))
	const big = 100
	for name, c := range map[string]struct {
		sent  string
		want  []string
		shows map[string]float64
	}{
		"text":                    {"data: hello\n\n", []string{"hello"}, nil},
		"lines":                   {"data: a\ndata:\ndata:  b\n\n", []string{"a\n\n b"}, nil},
		"a JSON object":           {"data: {\"a\": 1.0}\n\n", []string{`json {"a":1.0}`}, nil},
		"a JSON array in lines":   {"data: [1,\ndata: 2]\n\n", []string{"json [1,2]"}, nil},
		"other JSON stays":        {"data: \"x\"\n\ndata: 1.50\n\ndata: null\n\n", []string{`"x"`, "1.50", "null"}, nil},
		"a name":                  {"event: goal\ndata: x\n\n", []string{"goal: x"}, map[string]float64{"renamed_total": 0}},
		"a name of a form":        {"event: a=1\ndata: a=1&b=2\n\n", []string{"a=1&b=2"}, map[string]float64{"renamed_total": 1}},
		"message is none":         {"event: message\ndata: x\n\n", []string{"x"}, map[string]float64{"renamed_total": 0}},
		"names of notices":        {"event: gap\ndata: x\n\nevent: error\ndata: {}\n\nevent: open\ndata: y\n\nevent: closing\ndata: z\n\n", []string{"x", "json {}", "y", "z"}, map[string]float64{"renamed_total": 4, "gaps_total": 0}},
		"a gap of a feedd":        {gap + "data: x\n\n", []string{"x"}, map[string]float64{"renamed_total": 0, "gaps_total": 1}},
		"a long name":             {"event: " + strings.Repeat("n", 65) + "\ndata: x\n\n", []string{"x"}, map[string]float64{"renamed_total": 1}},
		"no data":                 {"event: a\nid: 1\n\n:\n\nid: 2\n\ndata\n\ndata: x\n\n", []string{"x"}, map[string]float64{"skipped_total": 0}},
		"as large as it may be":   {"data: " + strings.Repeat("x", big) + "\n\n", []string{strings.Repeat("x", big)}, map[string]float64{"skipped_total": 0}},
		"larger than it may be":   {"data: a\n\nid: 1\ndata: " + strings.Repeat("x", big+1) + "\n\ndata: b\n\n", []string{"a", "b"}, map[string]float64{"skipped_total": 1}},
		"much larger":             {"data: a\n\ndata: " + strings.Repeat("x", 1<<20) + "\nid: 1\n\ndata: b\n\n", []string{"a", "b"}, map[string]float64{"skipped_total": 1}},
		"bytes that are no UTF-8": {"data: a\xffb\n\n", []string{"a\ufffdb"}, nil},
		"JSON too deep":           {"data: " + strings.Repeat("[", 45) + strings.Repeat("]", 45) + "\n\n", []string{"json " + strings.Repeat("[", 45) + strings.Repeat("]", 45)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, stream.StoreOptions{}, func(w http.ResponseWriter, r *http.Request) {
				says(w, r, c.sent, true)
			}, func(w *world) {
				w.most = big
				w.start()
				w.has(c.want...)
				w.shows(c.shows)
				w.shows(map[string]float64{"items_total": float64(len(c.want)), "connected": 1})
			})
		})
	}
}

// An event that can never be stored is passed over once, also where nothing
// else comes: the id goes on behind it.
func TestTooLargeIsNotReadForEver(t *testing.T) {
	visits := 0
	inBubble(t, stream.StoreOptions{}, func(w http.ResponseWriter, r *http.Request) {
		visits++
		sent := ""
		if r.Header.Get("Last-Event-ID") == "" {
			sent = "id: 1\ndata: " + strings.Repeat("x", 200) + "\n\n"
		}
		says(w, r, sent, visits > 1)
	}, func(w *world) {
		w.most = 100
		w.start()
		time.Sleep(time.Hour)
		w.shows(map[string]float64{"skipped_total": 1, "items_total": 0})
		w.stop()
		w.start()
		time.Sleep(time.Hour)
		w.shows(map[string]float64{"skipped_total": 0})
		if w.at() != "1" || w.logged.count("passed over") != 1 {
			t.Errorf("at %q\n%s", w.at(), w.logged)
		}
	})
}

// The first id is stored at once, also without an item, so that a restart before
// the first one misses nothing; later ones now and then, and at the stop.
func TestIDsAloneAreStored(t *testing.T) {
	var say chan string
	inBubble(t, stream.StoreOptions{}, func(w http.ResponseWriter, r *http.Request) {
		says(w, r, "", false)
		for {
			select {
			case s := <-say:
				says(w, r, s, false)
			case <-r.Context().Done():
				return
			}
		}
	}, func(w *world) {
		say = make(chan string)
		w.start()
		is := func(want string) {
			t.Helper()
			synctest.Wait()
			if at := w.at(); at != want {
				t.Errorf("the store says %q, want %q", at, want)
			}
		}
		say <- "retry: 1000\nid: 7\n\n"
		is("7")
		for i := range 100 {
			time.Sleep(100 * time.Millisecond)
			say <- fmt.Sprintf("id: %d\n\n", 8+i)
		}
		is("7")
		time.Sleep(6 * time.Second)
		is("107")
		if n := w.faults.count(); n != 2 {
			t.Errorf("%d commits", n)
		}
		say <- "id: 108\ndata: x\n\n"
		is("108")
		say <- "id: 109\n\n"
		is("108")
		w.stop()
		is("109")
		w.has("x")
	})
}

// Where a server gives no ids, what it sends is stored, and nothing else is.
func TestServerWithoutIDs(t *testing.T) {
	visits := 0
	inBubble(t, stream.StoreOptions{}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header["Last-Event-Id"] != nil {
			t.Errorf("presented %q", r.Header["Last-Event-Id"])
		}
		visits++
		says(w, r, fmt.Sprintf("data: %d\n\n", visits), visits == 5)
	}, func(w *world) {
		w.start()
		w.has("1", "2", "3", "4", "5")
		w.shows(map[string]float64{"items_total": 5, "reconnects_total": 4, "store_failures_total": 0})
		if w.logged.String() != "" {
			t.Errorf("a server that ends each stream well was logged:\n%s", w.logged)
		}
	})
}

// A backlog is committed by the batch, and what is read ahead of a commit that
// takes long is bounded.
func TestP6_BacklogInBatchesWithinBounds(t *testing.T) {
	const events = 30_000
	var sent atomic.Int64
	inBubble(t, stream.StoreOptions{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		var after int
		fmt.Sscan(r.Header.Get("Last-Event-ID"), &after)
		for n := after + 1; n <= events; n++ {
			fmt.Fprintf(w, "data: %d %s\nid: %d\n\n", n, strings.Repeat("-", 500), n)
			sent.Store(int64(n))
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}, func(w *world) {
		hold := make(chan struct{})
		w.faults.set(func() error { <-hold; return nil }, nil)
		w.start()
		time.Sleep(time.Hour)
		if n := sent.Load(); n > 2500 {
			t.Errorf("%d events were read while nothing was committed", n)
		}
		if lag := w.metrics()["lag_seconds"]; lag != 3600 {
			t.Errorf("the lag is %v s", lag)
		}
		w.faults.set(func() error { time.Sleep(5 * time.Millisecond); return nil }, nil) // as a disk does
		close(hold)
		w.until("all are there", func() bool { return w.at() == fmt.Sprint(events) })
		w.shows(map[string]float64{"items_total": events, "lag_seconds": 0, "reconnects_total": 0})
		if n := w.faults.count(); n > events/500 {
			t.Errorf("%d commits for %d items", n, events)
		}
		if at := w.metrics()["last_item_timestamp_seconds"]; at != float64(time.Now().UnixNano())/1e9 && time.Since(time.Unix(int64(at), 0)) > 2*time.Second {
			t.Errorf("the newest item is of %v", at)
		}
	})
}

// Large events count by their bytes.
func TestP6_LargeEventsAreBounded(t *testing.T) {
	var sent atomic.Int64
	inBubble(t, stream.StoreOptions{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		var after int
		fmt.Sscan(r.Header.Get("Last-Event-ID"), &after)
		for n := after + 1; n <= 26; n++ {
			if _, err := fmt.Fprintf(w, "data: %d%s\nid: %d\n\n", n, strings.Repeat("-", 1<<19), n); err != nil {
				return
			}
			sent.Store(int64(n))
		}
		<-r.Context().Done()
	}, func(w *world) {
		hold := make(chan struct{})
		w.faults.set(func() error { <-hold; return nil }, nil)
		w.start()
		time.Sleep(time.Hour)
		if n := sent.Load(); n > 18 {
			t.Errorf("%d events of half a MiB were read while nothing was committed", n)
		}
		close(hold)
		w.faults.set(nil, nil)
		w.until("all are there", func() bool { return w.at() == "26" })
	})
}

// While the store refuses, it is tried again in growing waits; nothing is lost.
func TestStoreThatRefuses(t *testing.T) {
	var mu sync.Mutex
	var visits []time.Time
	inBubble(t, stream.StoreOptions{}, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		visits = append(visits, time.Now())
		mu.Unlock()
		var after int
		fmt.Sscan(r.Header.Get("Last-Event-ID"), &after)
		s := ""
		for n := after + 1; n <= 5; n++ {
			s += fmt.Sprintf("id: %d\ndata: %d\n\n", n, n)
		}
		says(w, r, s, true)
	}, func(w *world) {
		w.faults.set(func() error { return stream.ErrNoSpace }, nil)
		w.start()
		time.Sleep(time.Hour)
		w.shows(map[string]float64{"connected": 0, "items_total": 0})
		if n := w.metrics()["store_failures_total"]; n < 3600/30 || n > 3600/20+10 {
			t.Errorf("%v tries in an hour", n)
		}
		mu.Lock()
		visits := slices.Clone(visits)
		mu.Unlock()
		for i := range visits[1:] {
			d := time.Second << min(i, 10)
			if gap, from, to := visits[i+1].Sub(visits[i]), min(d, 20*time.Second), min(d*3/2, 30*time.Second); gap < from || gap > to {
				t.Errorf("try %d came after %v, not %v to %v", i, gap, from, to)
			}
		}
		if n := w.logged.count("cannot store"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, w.logged)
		}
		w.faults.set(nil, nil)
		w.has("1", "2", "3", "4", "5")
		if n := w.logged.count("stored again"); n != 1 {
			t.Errorf("logged:\n%s", w.logged)
		}
	})
}

// A store that may have no more feeds refuses for as long as that is so.
func TestTooManyFeedsIsNoLoss(t *testing.T) {
	inBubble(t, stream.StoreOptions{Feeds: 1}, func(w http.ResponseWriter, r *http.Request) {
		says(w, r, "id: 1\ndata: x\n\n", true)
	}, func(w *world) {
		if _, err := w.hub.Publish(w.t.Context(), stream.Batch{Feed: "g", Drafts: []stream.Draft{{Data: []byte("in the way")}}}); err != nil {
			t.Fatal(err)
		}
		w.start()
		time.Sleep(time.Minute)
		if at := w.at(); at != "" {
			t.Errorf("the source moved to %q without its item", at)
		}
		w.has("in the way")
	})
}

// No upstream is given up: refusals are tried again in waits of up to five
// minutes, and told when their cause changes.
func TestUpstreamIsNeverGivenUp(t *testing.T) {
	var status, visits atomic.Int64
	inBubble(t, stream.StoreOptions{}, func(w http.ResponseWriter, r *http.Request) {
		visits.Add(1)
		switch n := status.Load(); n {
		case 0:
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<p>data: x\n\n")
		case 200:
			says(w, r, "id: 1\ndata: x\n\n", true)
		default:
			w.WriteHeader(int(n))
		}
	}, func(w *world) {
		warned := 0
		for _, s := range []int64{500, 204, 404, 0, 403, 401, 503, 404} {
			status.Store(s)
			if w.set == nil {
				w.start()
			}
			time.Sleep(10 * time.Minute) // the wait that began with the one before
			before, told := visits.Load(), w.logged.count("is not connected")
			if told != warned+1 {
				t.Errorf("%d: warned %d times, before %d\n%s", s, told, warned, w.logged)
			}
			warned = told
			time.Sleep(6 * time.Hour)
			if n := visits.Load() - before; n < 6*12 || n > 6*180 {
				t.Errorf("%d: %d tries in 6 hours", s, n)
			}
			w.shows(map[string]float64{"connected": 0})
			if told := w.logged.count("is not connected"); told != warned {
				t.Errorf("%d: told again", s)
			}
		}
		status.Store(200)
		w.has("x")
		w.shows(map[string]float64{"connected": 1, "items_total": 1})
		if w.logged.count("the upstream is connected") != 1 {
			t.Errorf("logged:\n%s", w.logged)
		}
	})
}

// Whether the stream is open shows also while it is waited for.
func TestUpstreamThatEndsIsNotConnected(t *testing.T) {
	var visits atomic.Int64
	inBubble(t, stream.StoreOptions{}, func(w http.ResponseWriter, r *http.Request) {
		if visits.Add(1) == 1 {
			says(w, r, "id: 1\ndata: x\n\n", false)
			time.Sleep(10 * time.Second)
			return
		}
		w.WriteHeader(404)
	}, func(w *world) {
		w.start()
		w.has("x")
		w.shows(map[string]float64{"connected": 1, "reconnects_total": 0})
		time.Sleep(11 * time.Second)
		w.shows(map[string]float64{"connected": 0, "reconnects_total": 1})
	})
}

// A stream that stalls is given up after the idle timeout.
func TestUpstreamThatStalls(t *testing.T) {
	visits := 0
	inBubble(t, stream.StoreOptions{}, func(w http.ResponseWriter, r *http.Request) {
		if visits++; visits > 1 && r.Header.Get("Last-Event-ID") != "1" {
			t.Errorf("presented %q", r.Header.Get("Last-Event-ID"))
		}
		says(w, r, []string{"id: 1\ndata: x\n\nid: 2\ndata: y", "id: 2\ndata: y\n\n"}[min(visits, 2)-1], true)
	}, func(w *world) {
		w.config.Idle = 5 * time.Minute
		begin := time.Now()
		w.start()
		w.has("x", "y")
		if took := time.Since(begin); took < 5*time.Minute || took > 5*time.Minute+2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A stop takes in what was read, and waits no longer than it is given.
func TestP9_Stop(t *testing.T) {
	inBubble(t, stream.StoreOptions{}, func(w http.ResponseWriter, r *http.Request) {
		says(w, r, map[string]string{"": "id: 1\ndata: x\n\n", "1": "id: 2\ndata: y\n\nid: 3\ndata: z\n\n"}[r.Header.Get("Last-Event-ID")], true)
	}, func(w *world) {
		w.start()
		w.has("x")
		w.stop()
		hold := make(chan struct{})
		w.faults.set(func() error { <-hold; return nil }, nil)
		w.start()
		synctest.Wait()
		begin := time.Now()
		ctx, cancel := context.WithTimeout(w.t.Context(), 3*time.Second)
		defer cancel()
		w.set.Stop(ctx)
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("Stop took %v", took)
		}
		w.set = nil
		close(hold)
		w.faults.set(nil, nil)
		w.start() // what was given up was committed after all, or is read again
		w.has("x", "y", "z")
	})
}

// Stop ends a try to connect, a wait, and a Set that was never started.
func TestP9_StopWhileNotConnected(t *testing.T) {
	var hang atomic.Bool
	inBubble(t, stream.StoreOptions{}, func(w http.ResponseWriter, r *http.Request) {
		if hang.Load() {
			<-r.Context().Done()
		}
		w.WriteHeader(404)
	}, func(w *world) {
		for _, hangs := range []bool{false, true} {
			hang.Store(hangs)
			w.start()
			time.Sleep(10 * time.Minute)
			begin := time.Now()
			w.stop()
			if took := time.Since(begin); took != 0 {
				t.Errorf("Stop took %v", took)
			}
		}
		set, err := upstream.New([]upstream.Config{w.config}, upstream.Options{Hub: w.hub, Logger: w.log()})
		if err != nil {
			t.Fatal(err)
		}
		set.Stop(w.t.Context())
	})
}

func TestNewChecksTheConfiguration(t *testing.T) {
	inBubble(t, stream.StoreOptions{}, nil, func(w *world) {
		for _, change := range []func(*upstream.Config){
			func(c *upstream.Config) { c.Name = "" },
			func(c *upstream.Config) { c.Name = strings.Repeat("n", 257) },
			func(c *upstream.Config) { c.Feed = "a..b" },
			func(c *upstream.Config) { c.URL = "ftp://a/" },
			func(c *upstream.Config) { c.URL = "http://" },
			func(c *upstream.Config) { c.Token = "a b" },
		} {
			c := w.config
			change(&c)
			if _, err := upstream.New([]upstream.Config{c}, upstream.Options{Hub: w.hub, Logger: w.log()}); err == nil {
				t.Errorf("%+v was taken", c)
			}
		}
	})
}
