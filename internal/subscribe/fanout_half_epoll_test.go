//go:build linux && !portable

package subscribe_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
	"feedd/internal/stream"
)

// halves runs a test on each engine, for streams of each kind.
func halves(t *testing.T, test func(t *testing.T, d servertest.Deployment, tr servertest.Transport)) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.SendBuffer = 4096
		d.Options = api.Options{Timeouts: api.Timeouts{Heartbeat: 10 * time.Millisecond}}
		for _, tr := range servertest.Taps {
			if d.Memory || tr.Name == "sse" {
				t.Run(tr.Name, func(t *testing.T) { test(t, d, tr) })
			}
		}
	})
}

// P1, P4: the item that a subscriber has half of is gone. The stream ends with
// the half, whatever else there is, and who comes back gets what follows, and
// is told of what was lost.
func TestP4_HalfAnItemThatIsGone(t *testing.T) {
	for _, c := range []struct {
		how    string
		reason string // of the gap, "" for none
		ttl    time.Duration
		store  stream.StoreOptions
		window int64
		lose   func(s *servertest.Server, it *stream.Item)
	}{
		{how: "deleted", lose: func(s *servertest.Server, it *stream.Item) { s.Engine.Delete(context.Background(), "f", it.ID) }},
		{how: "deleted, out of the window", window: 1000, lose: func(s *servertest.Server, it *stream.Item) { s.Engine.Delete(context.Background(), "f", it.ID) }},
		{how: "purged", reason: "purged", lose: func(s *servertest.Server, it *stream.Item) { s.Engine.Purge(context.Background(), "f") }},
		{how: "ran out", ttl: time.Second, lose: func(*servertest.Server, *stream.Item) {}},
		{how: "trimmed", reason: "trimmed", store: servertest.Keep(2), window: 50_000, lose: func(*servertest.Server, *stream.Item) {}},
	} {
		t.Run(c.how, func(t *testing.T) {
			t.Parallel()
			halves(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
				d.Store, d.Window = c.store, c.window
				s := servertest.Start(t, d)
				tp, before, half := s.Half(tr, c.ttl)
				c.lose(s, half)
				next, last := s.Text("f", "next"), s.Text("f", "last")
				servertest.Eventually(t, "the item is gone", func() bool { return s.Gone(half) })
				all, err := tp.Rest()
				frame, got := servertest.FrameOf(tr, half), silence(tr, string(all), before.ID)
				// A reset is in order, too: it throws away what would be of no use.
				if !servertest.IsEOF(err) && !errors.Is(err, syscall.ECONNRESET) || got == "" || len(got) >= len(frame) || !strings.HasPrefix(frame, got) {
					n := 0
					for n < len(got) && n < len(frame) && got[n] == frame[n] {
						n++
					}
					t.Fatalf("behind %d bytes of %d came %d, beginning %.100q (%v)", n, len(frame), len(got)-n, got[n:], err)
				}
				again, _ := s.Tap("f?last_event_id="+before.ID.String(), tr, 0)
				if c.reason != "" {
					if n := again.Something(); n.Kind != servertest.AGap || n.Gap.Reason != c.reason || n.Gap.Through != half.ID.String() {
						t.Fatalf("%+v %+v came instead of a gap", n, n.Gap)
					}
				}
				again.MustItem(next)
				again.MustItem(last)
			})
		})
	}
}

// P1: the item that a subscriber has half of is still there: the rest comes,
// once and in the same bytes, whatever came meanwhile, wherever it is, and
// without a sign of life in it.
func TestP1_HalfAnItemIsFinished(t *testing.T) {
	for _, c := range []struct {
		where  string
		store  stream.StoreOptions
		window int64
		other  int // items of another feed that come meanwhile
	}{
		{where: "window"},
		{where: "log", window: 50_000, other: 20},
		// A live reader gets it all the same: it has its place in the window.
		{where: "window only", store: servertest.Keep(2)},
	} {
		t.Run(c.where, func(t *testing.T) {
			t.Parallel()
			halves(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
				d.Store, d.Window = c.store, c.window
				s := servertest.Start(t, d)
				tp, _, half := s.Half(tr, 0)
				more := []*stream.Item{s.Text("f", "more"), s.Text("f", servertest.BigText), s.Text("f", "yet more")}
				for range c.other {
					s.Text("other", strings.Repeat("y", 3000))
				}
				if c.store.Retention != nil && !s.Gone(half) {
					t.Fatal("it is still in the store")
				}
				quiet, _ := s.Tap("quiet", tr, 0)
				for range 10 {
					if n, ok := quiet.Wait(servertest.Patience); !ok || n.Kind == servertest.AnItem {
						t.Fatalf("%+v came instead of a sign of life", n)
					}
				}
				tp.MustItem(half)
				for _, it := range more {
					tp.MustItem(it)
				}
				tp.MustItem(s.Text("f", "end"))
			})
		})
	}
}

// P4: a gap that is written in part is finished before anything else, also
// when more is lost meanwhile.
func TestP4_HalfAGapIsFinished(t *testing.T) {
	t.Parallel()
	for round := range 6 {
		d := servertest.Deployment{Memory: true, SendBuffer: 2048, Options: api.Options{Timeouts: api.Timeouts{Heartbeat: 10 * time.Millisecond}}}
		s := servertest.Start(t, d)
		tr := servertest.Taps[round%len(servertest.Taps)]
		tp, _ := s.Tap("**", tr, 4096)
		blocked := s.Shards.Stats().Blocked
		big := s.Text("f", servertest.BigText[:60_000])
		servertest.Eventually(t, "it is written in part", func() bool { return s.Shards.Stats().Blocked > blocked })
		// The names make the notice larger than the room that there is at a time.
		var names []string
		for i := range 16 {
			names = append(names, fmt.Sprintf("%s%02d", strings.Repeat("n", 120), i))
		}
		lose := func() {
			for _, name := range names {
				s.Text(name, "lost")
				s.Engine.Purge(context.Background(), name)
			}
		}
		lose()
		end := s.Text("f", "end")
		gaps, lost := 0, false
		for seen := ""; seen != "end"; {
			most := 100 + 37*round
			if seen == "" && len(tp.Buf) < 50_000 {
				most = 4096
			}
			if tp.Take(most) == 0 {
				time.Sleep(100 * time.Microsecond)
			}
			if tp.Ended != nil {
				t.Fatalf("the stream ended: %v", tp.Ended)
			}
			if !lost && gaps == 0 && strings.Contains(string(tp.Buf), "nnnn") && strings.Contains(string(tp.Buf), "reason") {
				lost = true
				lose() // in the middle of the notice
			}
			n, ok := tp.Note()
			if !ok {
				continue
			}
			switch n.Kind {
			case servertest.AGap:
				if gaps++; gaps == 1 && len(n.Gap.Feeds) != len(names) || n.Gap.Reason != "purged" {
					t.Fatalf("gap %+v", n.Gap)
				}
			case servertest.AnItem:
				want := big
				if seen == "big" {
					want = end
				}
				if n.Raw != servertest.FrameOf(tr, want) {
					t.Fatalf("%.100q came instead of item %s", n.Raw, want.ID)
				}
				seen = map[string]string{"": "big", "big": "end"}[seen]
			}
		}
		if gaps == 0 {
			t.Error("P4: the loss was not told before what follows it")
		}
		s.Stop()
	}
}
