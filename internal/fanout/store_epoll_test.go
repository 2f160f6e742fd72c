//go:build linux && !portable

package fanout_test

import (
	"bufio"
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"feedd/internal/fanout"
	"feedd/internal/memlog"
	"feedd/internal/stream"
)

// P5: a live reader whose socket is full does not stand behind readers that
// wait for the store: what it gets next is in the windows.
func TestP5_large_items_pass_those_who_wait_for_the_store(t *testing.T) {
	t.Parallel()
	g := &gate{Engine: memlog.Open(stream.StoreOptions{}), open: make(chan struct{})}
	f := newFarmOn(t, fanout.Options{}, g, stream.HubOptions{})
	defer close(g.open)
	live := func() io.Reader {
		f.buffer = 4096
		defer func() { f.buffer = 0 }()
		c := f.subscribe("a", stream.Start{})
		c.SetDeadline(time.Now().Add(patience))
		return c
	}()
	g.shut.Store(true)
	for range 2 * fanout.MaxWorkers {
		f.subscribe("a", stream.StartAfter("x")) // asks the store, wherever it stands
	}
	eventually(t, "all that read the store wait for it", func() bool { return g.waiting.Load() == fanout.MaxWorkers })
	data := strings.Repeat("x", 300_000)
	want := line(f.publish("a", data).First, "a", data)
	got := make([]byte, len(want))
	if n, err := io.ReadFull(live, got); err != nil || string(got) != want {
		t.Errorf("%d of %d bytes came: %v", n, len(want), err)
	}
}

// P5: the time that the store takes is not the reader's.
func TestP5_a_slow_store_is_no_stall(t *testing.T) {
	t.Parallel()
	const stall = time.Second
	g := &gate{Engine: memlog.Open(stream.StoreOptions{}), open: make(chan struct{})}
	f := newFarmOn(t, fanout.Options{StallTimeout: stall}, g, stream.HubOptions{})
	f.publish("a", "x")
	g.shut.Store(true)
	vanish(t, f.subscribe("a", stream.StartAfter("x"))) // acknowledges nothing
	began := time.Now()
	eventually(t, "the store took longer than a reader may", func() bool { return g.waiting.Load() == 1 && time.Since(began) > stall*3/2 })
	given := time.Now()
	close(g.open)
	eventually(t, "it is cut", func() bool { return f.ends[fanout.EndStalled].Load() == 1 })
	if took := time.Since(given); took < stall/2 {
		t.Errorf("it was cut %v after it was given something, and has %v", took, stall)
	}
}

// barren is an engine that looks long for items that were never published: its
// pages are empty, and say that there is more.
type barren struct {
	stream.Engine
	empty atomic.Bool
}

func (b *barren) Read(ctx context.Context, q stream.Query) (stream.Page, error) {
	if !b.empty.Load() {
		return b.Engine.Read(ctx, q)
	}
	<-time.After(5 * time.Millisecond)
	return stream.Page{Through: q.After, More: true}, nil
}

// A reader for whom the store is searched for long shows that it lives.
func TestHeartbeats_while_the_store_is_searched(t *testing.T) {
	t.Parallel()
	b := &barren{Engine: memlog.Open(stream.StoreOptions{})}
	f := newFarmOn(t, fanout.Options{Heartbeat: 100 * time.Millisecond}, b, stream.HubOptions{WindowBytes: 1})
	begin := f.hub.Head()
	want := line(f.publish("a", "x").First, "a", "x")
	b.empty.Store(true)
	c := f.subscribe("a", stream.StartAfter(begin.String()))
	in := bufio.NewReader(c)
	for range 3 {
		if l, err := in.ReadString('\n'); err != nil || l != "silence "+begin.String()+"\n" {
			t.Fatalf("%q came: %v", l, err)
		}
	}
	b.empty.Store(false)
	for {
		l, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if l == want {
			break
		}
		if !strings.HasPrefix(l, "silence ") {
			t.Fatalf("%q came, want %q", l, want)
		}
	}
}
