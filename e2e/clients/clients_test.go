package clients_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"feedd/e2e/proxies"
	"feedd/internal/client"
)

var errStopped = errors.New("the EventSource stopped for good")

// clientLibraries are the readers that others wrote, but for Chromium.
var clientLibraries = []struct {
	name string
	read func(context.Context, *reader)
}{
	{"r3labs", readWithOurs},
	{"go-sse", readWithGoSSE},
	{"launchdarkly", readWithLaunchDarkly},
	{"curl", readWithCurl},
	{"eventsource.mjs", readWithNode("eventsource.mjs")},
	{"fetch-event-source.mjs", readWithNode("fetch-event-source.mjs")},
	{"ws.mjs", readWithNode("ws.mjs")},
}

// Clients of others, all at once, directly and behind each proxy, while the
// server is killed and restarted and connections are cut at every place that an
// answer has: each ends with exactly what was published. FEEDD_TEST_CLIENTS is
// how long the storm lasts at least, FEEDD_TEST_SEED decides the cuts.
func TestP1P3P4_clients_of_others(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	length := harness.ClientsTime(t, 15*time.Second)
	seed := harness.Seed(t, rand.Uint64())
	s := harness.Start(t, harness.With("FEEDD_RETENTION_MAX_ITEMS=0", "FEEDD_RETENTION_MAX_BYTES=0"))
	publisher, err := client.New(client.Config{Server: s.Address, Key: s.Key()})
	if err != nil {
		t.Fatal(err)
	}
	defer publisher.Close()
	story := &clientStory{t: t, server: s, publisher: publisher, cutter: startCutter(t, s.Address, seed)}
	story.startClients()
	story.storm(length)
	story.compare(harness.Patience + length)
}

// clientStory is the test's course.
type clientStory struct {
	t         *testing.T
	server    *harness.Server
	publisher *client.Client
	cutter    *cutter
	readers   []*reader
	want      []harness.Event // grows while publish runs
}

// startClients starts all clients, and returns when each has its opening.
func (s *clientStory) startClients() {
	s.t.Helper()
	ctx, end := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	defer s.t.Cleanup(func() {
		end()
		running.Wait()
	})
	start := func(front proxies.Way, address, library string, read func(context.Context, *reader)) {
		name := front.Name + "/" + library
		r := newReader(name, "http://"+address+"/feeds/news?client="+name)
		s.readers = append(s.readers, r)
		running.Go(func() { read(ctx, r) })
	}
	var b *browser.Browser
	if browser.Find() != "" {
		b = browser.Start(s.t)
	} else {
		s.skip("chromium", "there is no chromium")
	}
	noNode := nodeMissing()
	if noNode != "" {
		s.skip("node", noNode)
	}
	for _, front := range proxies.Ways {
		if !front.Here {
			s.skip(front.Name, "it is not installed")
			continue
		}
		address := front.Start(s.t, s.cutter.address)
		for _, l := range clientLibraries {
			if noNode == "" || !strings.HasSuffix(l.name, ".mjs") {
				start(front, address, l.name, l.read)
			}
		}
		if b != nil {
			tab := b.Open(s.t, "http://"+address+"/?feed=elsewhere")
			start(front, address, "chromium", readWithChromium(tab))
		}
	}
	s.await("to its opening", harness.Patience, func() bool { return s.all(s.cutter.opened) })
}

// skip says that a part of the test is not here.
func (s *clientStory) skip(name, why string) {
	s.t.Run(name, func(t *testing.T) { t.Skip(why) })
}

// storm publishes, and cuts and stops what can be cut and stopped, for at least
// that long. It returns when all is calm again.
func (s *clientStory) storm(length time.Duration) {
	s.t.Helper()
	// Before the first item there is a position too.
	s.cutter.setStorm(true)
	s.cutter.cutAll()
	ctx, calm := context.WithCancel(s.t.Context())
	defer calm()
	published := make(chan error, 1)
	go func() { published <- s.publish(ctx) }()
	names := s.names()
	begun := time.Now()
	for n := 0; n < 3 || time.Since(begun) < length || len(s.cutter.notCut(names)) > 0; n++ {
		if time.Since(begun) > length+harness.Patience {
			s.t.Fatalf("not cut: %q", s.cutter.notCut(names))
		}
		harness.Pause(ctx, 5*time.Second)
		switch n % 3 {
		case 0: // long enough for everybody to meet its absence
			s.server.Kill()
			s.cutter.forgetAway()
			s.await("to meet the absence", harness.Patience, func() bool { return s.all(s.cutter.away) })
		case 1: // as an operator does it
			s.server.Stop(syscall.SIGTERM)
		case 2:
			s.server.Kill()
		}
		s.server.Start()
		s.t.Logf("up again after %s, %d cuts", time.Since(begun).Round(time.Millisecond), s.cutter.cuts())
	}
	s.cutter.setStorm(false)
	calm()
	if err := <-published; err != nil {
		s.t.Fatal(err)
	}
}

// publish publishes items until the context ends, one after the other.
func (s *clientStory) publish(ctx context.Context) error {
	// About as fast as clients that are cut all the time can follow.
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := s.publishOne(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *clientStory) publishOne() error {
	draft, e := awkward(len(s.want))
	receipt, err := s.publisher.Publish(s.t.Context(), "news", draft, "")
	if err != nil {
		return err
	}
	e.ID = receipt.First
	s.want = append(s.want, e)
	return nil
}

// compare compares what each client got, within the limit, with what was
// published.
func (s *clientStory) compare(limit time.Duration) {
	all := s.awaitAll(s.readers, limit)
	// What comes twice at the end comes before one more.
	if err := s.publishOne(); err != nil {
		s.t.Fatal(err)
	}
	s.awaitAll(all, limit)
	s.t.Logf("%d items, %d clients, %d cuts", len(s.want), len(s.readers), s.cutter.cuts())
	for _, r := range s.readers {
		s.t.Run(r.name, func(t *testing.T) {
			got, err := r.soFar()
			if err != nil {
				t.Error(err)
			}
			if diff := firstDifference(got, s.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// awaitAll waits until the readers have as many items as were published, and
// returns those that do before time is up.
func (s *clientStory) awaitAll(readers []*reader, limit time.Duration) (have []*reader) {
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	for _, r := range readers {
		if r.await(ctx, len(s.want)) {
			have = append(have, r)
		}
	}
	return have
}

func (s *clientStory) names() (names []string) {
	for _, r := range s.readers {
		names = append(names, r.name)
	}
	return names
}

// all reports whether something was counted for each client. The caller holds
// the cutter's lock.
func (s *clientStory) all(counts map[string]int) bool {
	for _, r := range s.readers {
		if counts[r.name] == 0 {
			return false
		}
	}
	return true
}

// await waits until ok, which is called with the cutter's lock held.
func (s *clientStory) await(what string, limit time.Duration, ok func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	if err := s.cutter.await(ctx, ok); err == nil {
		return
	}
	for _, r := range s.readers {
		if _, err := r.soFar(); err != nil {
			s.t.Errorf("%s: %v", r.name, err)
		}
	}
	s.t.Fatalf("not everybody came %s", what)
}
