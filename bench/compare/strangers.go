package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"feedd/bench/measure"
)

var (
	slowestOf   = metric{name: "slowest", unit: "ms"}
	p99Without  = metric{name: "p99 without them, before and after", unit: "ms"}
	strangersDo = metric{name: "what they got done", unit: "/s"}
)

// alone is the row of the good reader with no other clients.
const alone = "nobody"

// stranger is what the clients beside the good reader do. It ends with the
// context. Each of them has a number.
type stranger struct {
	row    string
	number func(z *sizes) int
	do     func(s *strangers, ctx context.Context, no int)
	bodies bool // they take from the bodies' memory
}

var strangerKinds = []stranger{
	{row: "readers of 256 long patterns", number: func(z *sizes) int { return z.strangers }, do: func(s *strangers, ctx context.Context, no int) {
		s.hold(ctx, "/feeds/"+longPatterns(no))
	}},
	{row: "the same, opened and closed 100 times a second", number: func(*sizes) int { return 10 }, do: func(s *strangers, ctx context.Context, no int) {
		for i := no; every(ctx, 100*time.Millisecond); i += 10 {
			open, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			s.hold(open, "/feeds/"+longPatterns(i))
			cancel()
		}
	}},
	{row: "readers of 5,000 event names", number: func(z *sizes) int { return z.strangers }, do: func(s *strangers, ctx context.Context, no int) {
		names := make([]string, 5000)
		for i := range names {
			names[i] = fmt.Sprintf("e%dn%d", no, i)
		}
		s.hold(ctx, "/feeds/x?event="+strings.Join(names, ","))
	}},
	{row: "8 who list all feeds", number: func(*sizes) int { return 8 }, do: func(s *strangers, ctx context.Context, no int) {
		for ctx.Err() == nil {
			s.get(ctx, "/feeds?limit=10000")
		}
	}},
	{row: "8 who list other feeds each time", number: func(*sizes) int { return 8 }, do: func(s *strangers, ctx context.Context, no int) {
		for i := 0; ctx.Err() == nil; i++ {
			s.get(ctx, fmt.Sprintf("/feeds?limit=10000&after=f%d&match=*.t%d,**", i%100, i))
		}
	}},
	{row: "4 who read 256 patterns from the beginning", number: func(*sizes) int { return 4 }, do: func(s *strangers, ctx context.Context, no int) {
		for i := 0; ctx.Err() == nil; i++ {
			patterns := make([]string, 256)
			for j := range patterns {
				patterns[j] = fmt.Sprintf("*.t%d.x%d", j, i)
			}
			s.get(ctx, "/feeds/"+strings.Join(patterns, ",")+"?since=all&format=json")
		}
	}},
	{row: "4 who read everything from the beginning", number: func(*sizes) int { return 4 }, do: func(s *strangers, ctx context.Context, no int) {
		for every(ctx, 20*time.Millisecond) { // as fast as they can is any load of requests
			s.get(ctx, "/feeds/**?since=all&format=json&limit=1")
		}
	}},
	{row: "400 without a key whose bodies do not end", number: func(*sizes) int { return 400 }, do: func(s *strangers, ctx context.Context, _ int) {
		s.post(ctx, false, "/send_feed_item", "application/json", 60<<10)
	}, bodies: true},
	{row: "100 with the key whose bodies do not end", number: func(*sizes) int { return 100 }, do: func(s *strangers, ctx context.Context, _ int) {
		s.post(ctx, true, "/feeds/x", "application/x-ndjson", 1<<20)
	}, bodies: true},
}

// openToStrangers are the settings with which clients without a key may publish as
// well, and as often as all these do from one address.
var openToStrangers = []string{"FEEDD_LEGACY_FEED_PUBLISH=anyone", "FEEDD_LIMITS_MAX_ANONYMOUS_RATE=0"}

// endless is a body that never comes whole. Nine tenths of it come at 1 MiB/s at
// most, because faster the load would be that of copying bytes; the rest comes
// as slowly as the server may let it.
type endless struct {
	ctx   context.Context
	quick int64 // bytes that remain of the nine tenths
}

func (b *endless) Read(p []byte) (int, error) {
	part, wait := 64<<10, 64*time.Millisecond
	if b.quick <= 0 {
		part, wait = 1, 10*time.Second // half of body_timeout
	}
	if err := pause(b.ctx, wait); err != nil {
		return 0, err
	}
	n := min(len(p), part)
	b.quick -= int64(n)
	return copy(p, bytes.Repeat([]byte("x"), n)), nil
}

func aboutStrangers(z *sizes) string {
	return fmt.Sprintf("feedd with store sqlite and %s feeds. A good reader has a stream, and its publisher publishes each 50 ms: what is measured is the time from the request to the event. "+
		"Beside it are, one after the other, %d readers of 256 patterns of 62 tokens each; such readers that come and go 100 times a second; %d readers of 5,000 event names; 8 who ask for the list of all feeds as fast as they can, and 8 for other lists; and 4 who read 256 patterns, and 4 who read everything, 50 times a second each, from the beginning; and 400 without a key, and 100 with it, who publish bodies of 60 KiB, and of 1 MiB, whose last tenth does not come. All but these 400 have the key, so that they may have so many patterns. The time without them is taken before and after.",
		measure.Number(float64(z.strangersFeeds)), z.strangers, z.strangers)
}

func runStrangers(b *bench, ctx context.Context, sc *scenario) error {
	for _, s := range b.feedd("feedd-sqlite") {
		if err := b.giveOne(ctx, sc, s, alone, openToStrangers, (*turn).strangers); err != nil {
			return err
		}
	}
	return nil
}

// strangers are the good reader and the clients beside it.
type strangers struct {
	*turn
	client *http.Client
	done   atomic.Int64 // requests of theirs that were answered
	failed atomic.Pointer[error]
}

func (t *turn) strangers() error {
	s := &strangers{turn: t, client: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 1000, DisableCompression: true,
		DialContext: (&net.Dialer{KeepAlive: -1}).DialContext,
	}}}
	defer s.client.CloseIdleConnections()
	if err := s.makeFeeds(t.sizes.strangersFeeds); err != nil {
		return err
	}
	good, err := s.newGoodReader()
	if err != nil {
		return err
	}
	defer good.end()
	before, err := good.measure(t.sizes.strangersLast)
	if err != nil {
		return err
	}
	t.row = alone
	t.fileTimes(before)
	t.file(residentPeak, residentOf(t.pids)/mib)
	for _, kind := range strangerKinds {
		t.row = kind.row
		if err := s.beside(good, kind); err != nil {
			return err
		}
		after, err := good.measure(t.sizes.strangersLast)
		if err != nil {
			return err
		}
		t.file(p99Without, share(append(before, after...), .99))
		before = after
	}
	return nil
}

// beside measures the good reader with strangers beside it.
func (s *strangers) beside(good *goodReader, kind stranger) error {
	ctx, cancel := context.WithCancel(s.ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for no := range kind.number(&s.sizes) {
		all.Go(func() { kind.do(s, ctx, no) })
	}
	if err := pause(ctx, s.sizes.strangersLast/4); err != nil { // they come
		return err
	}
	peak := make(chan float64, 1)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		most := residentOf(s.pids)
		for every(watching, 100*time.Millisecond) {
			most = max(most, residentOf(s.pids))
		}
		peak <- most
	}()
	did := s.done.Load()
	times, err := good.measure(s.sizes.strangersLast)
	if err != nil {
		return err
	}
	stop()
	s.fileTimes(times)
	s.file(residentPeak, <-peak/mib)
	s.file(strangersDo, float64(s.done.Load()-did)/s.sizes.strangersLast.Seconds())
	return nil
}

func (t *turn) fileTimes(times []float64) {
	t.file(p50, share(times, .5))
	t.file(p99, share(times, .99))
	t.file(slowestOf, slices.Max(times))
}

// share returns what that share of the values is at or below.
func share(values []float64, of float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(of*float64(len(sorted))))]
}

// every waits, and reports whether the context has not ended.
func every(ctx context.Context, d time.Duration) bool { return pause(ctx, d) == nil }

// longPatterns is 256 patterns of 62 tokens that no other number has.
func longPatterns(no int) string {
	list := make([]string, 256)
	for i := range list {
		tokens := make([]byte, 0, 128)
		for j, x := 0, uint32(no*256+i); j < 61; j, x = j+1, x*1664525+1013904223 {
			tokens = append(tokens, '.', 'a'+byte(x>>24)%26)
		}
		list[i] = "*" + string(tokens)
	}
	return strings.Join(list, ",")
}

func (s *strangers) request(ctx context.Context, method, path, body string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.Base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body == "" {
		r.Body, r.ContentLength = nil, 0
	}
	r.Header.Set("Authorization", "Bearer "+adminKey)
	return s.client.Do(r)
}

// get makes a request and reads the answer to its end. What it says does not matter.
func (s *strangers) get(ctx context.Context, path string) {
	res, err := s.request(ctx, http.MethodGet, path, "")
	if err != nil {
		return
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err == nil {
		s.done.Add(1)
	}
}

// post sends bodies of that size that do not end, one after the other. What the
// answers say does not matter: a refused client tries again after a second, half of
// what Retry-After says. Without a pause the load would be that of new connections.
func (s *strangers) post(ctx context.Context, withKey bool, path, contentType string, size int64) {
	for every(ctx, time.Second) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Base+path, &endless{ctx: ctx, quick: size * 9 / 10})
		if err != nil {
			return
		}
		r.ContentLength = size
		r.Header.Set("Content-Type", contentType)
		if withKey {
			r.Header.Set("Authorization", "Bearer "+adminKey)
		}
		res, err := s.client.Do(r)
		if err != nil {
			continue
		}
		res.Body.Close()
		s.done.Add(1)
	}
}

// hold opens a stream and keeps it, if it gets one.
func (s *strangers) hold(ctx context.Context, path string) {
	res, err := s.request(ctx, http.MethodGet, path, "")
	if err != nil {
		return
	}
	defer res.Body.Close()
	s.done.Add(1)
	io.Copy(io.Discard, res.Body)
}

// makeFeeds publishes one item to each of n feeds.
func (s *strangers) makeFeeds(n int) error {
	const publishers = 64
	var next atomic.Int64
	var all sync.WaitGroup
	for range publishers {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && s.failed.Load() == nil; i = int(next.Add(1)) - 1 {
				if err := s.publish(fmt.Sprintf("f%d.t%d", i%5000, i), "x"); err != nil {
					s.failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	all.Wait()
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *strangers) publish(feed, text string) error {
	res, err := s.request(s.ctx, http.MethodPost, "/feeds/"+feed, text)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("a publish to %s: %s", feed, res.Status)
	}
	return nil
}

// goodReader has a stream, and publishes to it.
type goodReader struct {
	*strangers
	events chan string
	end    func()
	sent   int
}

func (s *strangers) newGoodReader() (*goodReader, error) {
	ctx, cancel := context.WithCancel(s.ctx)
	res, err := s.request(ctx, http.MethodGet, "/feeds/good?format=sse", "")
	if err != nil {
		cancel()
		return nil, err
	}
	g := &goodReader{strangers: s, events: make(chan string, 16), end: func() {
		cancel()
		res.Body.Close()
	}}
	go func() {
		defer close(g.events)
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: good "); ok {
				select {
				case g.events <- data:
				case <-ctx.Done():
				}
			}
		}
	}()
	return g, nil
}

// goodPatience is how long an event may take before the measurement is given up.
const goodPatience = time.Minute

// measure publishes each 50 ms, and returns how many milliseconds each took from
// the request to the event.
func (g *goodReader) measure(lasts time.Duration) (times []float64, err error) {
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		began := time.Now()
		g.sent++
		text := fmt.Sprint(g.sent)
		published := make(chan error, 1)
		go func() { published <- g.publish("good", "good "+text) }()
		select {
		case got := <-g.events:
			if got != text {
				return nil, fmt.Errorf("the good reader got %q, not %q", got, text)
			}
		case <-time.After(goodPatience):
			return nil, errors.New("the good reader waits in vain")
		}
		times = append(times, float64(time.Since(began))/1e6)
		if err := <-published; err != nil {
			return nil, err
		}
		if err := pause(g.ctx, 50*time.Millisecond-time.Since(began)); err != nil {
			return nil, err
		}
	}
	return times, nil
}
