//go:build linux && !portable

package fanout

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"feedd/internal/memlog"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

// P5: what a delivery allocates is for the members that stand at a place, and
// not for each of them.
func TestP5_a_delivery_allocates_nothing_for_each_member(t *testing.T) {
	const members = 2000
	pass := newPass(t, members)
	const slices = members/sliceMembers + 1
	if n := testing.AllocsPerRun(20, pass); n > 200+2*slices {
		t.Errorf("a delivery to %d members allocates %.0f times", members, n)
	}
}

// BenchmarkPass is a delivery of one item to 1,000 parked members, with a write
// that costs next to nothing.
func BenchmarkPass(b *testing.B) {
	pass := newPass(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		pass()
	}
}

// newPass returns a function that publishes an item and gives it to parked
// members, in a shard whose goroutine does not run. Their connections are
// /dev/null.
func newPass(tb testing.TB, members int) (pass func()) {
	engine := memlog.Open(stream.StoreOptions{})
	hub := stream.NewHub(engine, stream.HubOptions{})
	shards, err := New(hub, Options{
		Heartbeat: time.Hour, StallTimeout: time.Hour, Number: 1, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		tb.Fatal(err)
	}
	s, err := newShard(shards)
	if err != nil {
		tb.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		null.Close()
		s.epoll.close()
		shards.Close()
		engine.Close()
		hub.Close()
	})
	enc := &stream.Encoding{Items: stream.NewFormat(func(dst []byte, it *stream.Item) []byte {
		return fmt.Appendf(dst, "%d %s\n", it.ID, it.Data)
	})}
	sel, err := selector.Parse("a", 1)
	if err != nil {
		tb.Fatal(err)
	}
	var g *group
	for range members {
		c, err := hub.Open(tb.Context(), sel, stream.Start{})
		if err != nil {
			tb.Fatal(err)
		}
		m := &member{fd: int(null.Fd()), task: streaming{enc}, cursor: *c}
		hub.Share(&m.cursor)
		g = s.groupOf(m)
		m.group = g
		g.park(m)
	}
	ctx := tb.Context()
	data := make([]byte, 128)
	return func() {
		r, err := hub.Publish(ctx, stream.Batch{Feed: "a", Drafts: []stream.Draft{{Data: data}}})
		if err != nil {
			tb.Fatal(err)
		}
		s.touch(g, r.First)
		for len(s.passes) > 0 {
			s.pass(0)
			s.batches.forget()
		}
		for _, m := range []*member{g.parked[0], g.parked[members-1]} {
			if m.cursor.Position() < r.First {
				tb.Fatal("the item was not delivered")
			}
		}
	}
}
