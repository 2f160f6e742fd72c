//go:build linux && !portable

package api_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/stream"
)

// bigText is more than all buffers of a connection hold.
var bigText = strings.Repeat(strings.Repeat("0123456789 \"quoted\" ", 500)+"\n", 15)

// halves runs a test on each engine, for streams of each kind.
func halves(t *testing.T, test func(t *testing.T, d deployment, tr transport)) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.sendBuffer = 4096
		d.options = api.Options{Timeouts: api.Timeouts{Heartbeat: 10 * time.Millisecond}}
		for _, tr := range taps {
			if d.memory || tr.name == "sse" {
				t.Run(tr.name, func(t *testing.T) { test(t, d, tr) })
			}
		}
	})
}

// half has a subscriber whose connection takes only a part of an item, and
// which has the one before it. It returns both.
func (s *server) half(tr transport, ttl time.Duration) (tp *tap, before, half *stream.Item) {
	s.t.Helper()
	for {
		tp, _ = s.tap("f", tr, 4096)
		before = s.text("f", "before")
		tp.mustItem(before)
		blocked := s.shards.Stats().Blocked
		half = s.publish("f", stream.Draft{Data: []byte(bigText), TTL: ttl})[0]
		ok := false
		eventually(s.t, "it is written in part", func() bool {
			ok = s.shards.Stats().Blocked > blocked
			return ok || ttl > 0 && time.Since(half.Time) > ttl
		})
		if ok {
			return tp, before, half
		}
		ttl *= 2 // this machine is slow
		tp.conn.Close()
	}
}

// gone reports whether an item is not retained.
func (s *server) gone(it *stream.Item) bool {
	got, err := s.hub.Item(context.Background(), it.Feed, it.ID)
	return err == nil && got == nil
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
		lose   func(s *server, it *stream.Item)
	}{
		{how: "deleted", lose: func(s *server, it *stream.Item) { s.engine.Delete(context.Background(), "f", it.ID) }},
		{how: "deleted, out of the window", window: 1000, lose: func(s *server, it *stream.Item) { s.engine.Delete(context.Background(), "f", it.ID) }},
		{how: "purged", reason: "purged", lose: func(s *server, it *stream.Item) { s.engine.Purge(context.Background(), "f") }},
		{how: "ran out", ttl: time.Second, lose: func(*server, *stream.Item) {}},
		{how: "trimmed", reason: "trimmed", store: keep(2), window: 50_000, lose: func(*server, *stream.Item) {}},
	} {
		t.Run(c.how, func(t *testing.T) {
			t.Parallel()
			halves(t, func(t *testing.T, d deployment, tr transport) {
				d.store, d.window = c.store, c.window
				s := start(t, d)
				tp, before, half := s.half(tr, c.ttl)
				c.lose(s, half)
				next, last := s.text("f", "next"), s.text("f", "last")
				eventually(t, "the item is gone", func() bool { return s.gone(half) })
				all, err := tp.rest()
				frame, got := frameOf(tr, half), silence(tr, string(all), before.ID)
				// A reset is in order, too: it throws away what would be of no use.
				if !isEOF(err) && !errors.Is(err, syscall.ECONNRESET) || got == "" || len(got) >= len(frame) || !strings.HasPrefix(frame, got) {
					n := 0
					for n < len(got) && n < len(frame) && got[n] == frame[n] {
						n++
					}
					t.Fatalf("behind %d bytes of %d came %d, beginning %.100q (%v)", n, len(frame), len(got)-n, got[n:], err)
				}
				again, _ := s.tap("f?last_event_id="+before.ID.String(), tr, 0)
				if c.reason != "" {
					if n := again.something(); n.kind != aGap || n.gap.Reason != c.reason || n.gap.Through != half.ID.String() {
						t.Fatalf("%+v %+v came instead of a gap", n, n.gap)
					}
				}
				again.mustItem(next)
				again.mustItem(last)
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
		{where: "window only", store: keep(2)},
	} {
		t.Run(c.where, func(t *testing.T) {
			t.Parallel()
			halves(t, func(t *testing.T, d deployment, tr transport) {
				d.store, d.window = c.store, c.window
				s := start(t, d)
				tp, _, half := s.half(tr, 0)
				more := []*stream.Item{s.text("f", "more"), s.text("f", bigText), s.text("f", "yet more")}
				for range c.other {
					s.text("other", strings.Repeat("y", 3000))
				}
				if c.store.Retention != nil && !s.gone(half) {
					t.Fatal("it is still in the store")
				}
				quiet, _ := s.tap("quiet", tr, 0)
				for range 10 {
					if n, ok := quiet.wait(patience); !ok || n.kind == anItem {
						t.Fatalf("%+v came instead of a sign of life", n)
					}
				}
				tp.mustItem(half)
				for _, it := range more {
					tp.mustItem(it)
				}
				tp.mustItem(s.text("f", "end"))
			})
		})
	}
}

// P4: a gap that is written in part is finished before anything else, also
// when more is lost meanwhile.
func TestP4_HalfAGapIsFinished(t *testing.T) {
	t.Parallel()
	for round := range 6 {
		d := deployment{memory: true, sendBuffer: 2048, options: api.Options{Timeouts: api.Timeouts{Heartbeat: 10 * time.Millisecond}}}
		s := start(t, d)
		tr := taps[round%len(taps)]
		tp, _ := s.tap("**", tr, 4096)
		blocked := s.shards.Stats().Blocked
		big := s.text("f", bigText[:60_000])
		eventually(t, "it is written in part", func() bool { return s.shards.Stats().Blocked > blocked })
		// The names make the notice larger than the room that there is at a time.
		var names []string
		for i := range 16 {
			names = append(names, fmt.Sprintf("%s%02d", strings.Repeat("n", 120), i))
		}
		lose := func() {
			for _, name := range names {
				s.text(name, "lost")
				s.engine.Purge(context.Background(), name)
			}
		}
		lose()
		end := s.text("f", "end")
		gaps, lost := 0, false
		for seen := ""; seen != "end"; {
			most := 100 + 37*round
			if seen == "" && len(tp.buf) < 50_000 {
				most = 4096
			}
			if tp.take(most) == 0 {
				time.Sleep(100 * time.Microsecond)
			}
			if tp.ended != nil {
				t.Fatalf("the stream ended: %v", tp.ended)
			}
			if !lost && gaps == 0 && strings.Contains(string(tp.buf), "nnnn") && strings.Contains(string(tp.buf), "reason") {
				lost = true
				lose() // in the middle of the notice
			}
			n, ok := tp.note()
			if !ok {
				continue
			}
			switch n.kind {
			case aGap:
				if gaps++; gaps == 1 && len(n.gap.Feeds) != len(names) || n.gap.Reason != "purged" {
					t.Fatalf("gap %+v", n.gap)
				}
			case anItem:
				want := big
				if seen == "big" {
					want = end
				}
				if n.raw != frameOf(tr, want) {
					t.Fatalf("%.100q came instead of item %s", n.raw, want.ID)
				}
				seen = map[string]string{"": "big", "big": "end"}[seen]
			}
		}
		if gaps == 0 {
			t.Error("P4: the loss was not told before what follows it")
		}
		s.stop()
	}
}
