//go:build linux && !portable

package fanout_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"feedd/internal/fanout"
	"feedd/internal/memlog"
	"feedd/internal/stream"
)

// An event that was under way when its connection was closed means nothing to
// the member that has the slot of that connection now.
func TestP5_an_event_of_an_earlier_connection_is_nobodys(t *testing.T) {
	// With one shard the second subscriber has the place of the first.
	f := newFarm(t, fanout.Options{Number: 1}, stream.StoreOptions{}, stream.HubOptions{})
	first := f.subscribe("a", stream.Start{})
	must(t, first, line(f.publish("a", "1").First, "a", "1"))
	first.Close()
	eventually(t, "the first one is gone", func() bool { return f.ends[fanout.EndGone].Load() == 1 })
	second := f.subscribe("a", stream.Start{})
	must(t, second, line(f.publish("a", "2").First, "a", "2"))
	f.shards.Happen(0, 0, unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR)
	f.shards.Happen(0, 0, unix.EPOLLIN)
	f.shards.Happen(0, 0, unix.EPOLLOUT)
	must(t, second, line(f.publish("a", "3").First, "a", "3"))
	if n := f.ends[fanout.EndGone].Load(); n != 1 {
		t.Errorf("%d subscribers are gone", n)
	}
	f.shards.Happen(0, 1, unix.EPOLLRDHUP) // it is in that place
	if b, err := io.ReadAll(second); err != nil || len(b) > 0 {
		t.Errorf("%q, %v at the end of the second one", b, err)
	}
}

// What cannot be taken over is still the caller's, and so is what comes after
// Close.
func TestShards_refuse_what_they_cannot_take(t *testing.T) {
	f := newFarm(t, fanout.Options{}, stream.StoreOptions{}, stream.HubOptions{})
	sub := func() fanout.Subscriber {
		return fanout.Subscriber{Cursor: f.cursor("a", stream.Start{}), Encoding: lines, OnEnd: func(fanout.End) {
			t.Error("a subscriber left that was never taken")
		}}
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if err := f.shards.Adopt(a, sub()); err == nil || f.shards.Takes(a) {
		t.Error("a pipe was taken over")
	}
	closed, _ := f.pair()
	closed.Close()
	if err := f.shards.Adopt(closed, sub()); err == nil {
		t.Error("a closed connection was taken over")
	}
	f.shards.Close()
	s, c := f.pair()
	if !f.shards.Takes(s) {
		t.Error("a TCP connection is not taken")
	}
	if err := f.shards.Adopt(s, sub()); !errors.Is(err, stream.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	io.WriteString(s, "still mine")
	s.Close()
	if b, err := io.ReadAll(c); string(b) != "still mine" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// P6, P9: Close leaves no descriptor and no goroutine behind, whatever the
// subscribers were doing.
func TestP9_close_leaves_nothing(t *testing.T) {
	for _, drain := range []bool{false, true} {
		eventually(t, "earlier tests are over", func() bool { return runtime.NumGoroutine() <= 3 })
		files, routines := descriptors(t), runtime.NumGoroutine()
		f := newFarm(t, fanout.Options{}, stream.StoreOptions{}, stream.HubOptions{WindowBytes: 100_000})
		f.buffer = 4096
		var conns []*net.TCPConn
		for range 40 {
			conns = append(conns, f.subscribe("quiet", stream.Start{}), f.subscribe("a", stream.Start{}))
		}
		begin := f.hub.Head()
		for range 40 {
			f.publish("a", strings.Repeat("x", 20_000))
		}
		eventually(t, "some are blocked", func() bool { return f.shards.Stats().Blocked >= 40 })
		for range 40 { // and these are catching up
			conns = append(conns, f.subscribe("a", stream.StartAfter(begin.String())))
		}
		if drain {
			f.hub.Drain()
		}
		f.stop()
		left := int32(0)
		for i := range f.ends {
			left += f.ends[i].Load()
		}
		if left != 120 || f.ends[fanout.EndStalled].Load() != 0 {
			t.Errorf("%d of 120 left", left)
		}
		if drained := f.ends[fanout.EndDrained].Load(); drain != (drained > 0) {
			t.Errorf("%d were told to come back", drained)
		}
		for _, c := range conns {
			c.Close()
		}
		eventually(t, "all descriptors are closed", func() bool { return descriptors(t) <= files })
		eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= routines })
	}
}

// descriptors returns how many the process has.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(list)
}

// P5, P6: a subscriber that is parked or blocked has no goroutine, and what is
// owed to it is not held.
func TestP5_subscribers_cost_no_goroutine_and_no_buffer(t *testing.T) {
	// A window that is as good as none: what is encoded there is for all.
	f := newFarm(t, fanout.Options{}, stream.StoreOptions{}, stream.HubOptions{WindowBytes: 1000})
	f.buffer = 4096
	eventually(t, "earlier tests are over", func() bool { return runtime.NumGoroutine() <= 5+2*runtime.GOMAXPROCS(0)+1 })
	routines := runtime.NumGoroutine()
	few := func(what string) {
		t.Helper()
		// The dialer of a connection may take a moment to be gone.
		eventually(t, "there are no goroutines for "+what, func() bool { return runtime.NumGoroutine() <= routines+2 })
	}
	for range 500 {
		f.subscribe("quiet", stream.Start{})
	}
	few("500 parked subscribers")

	const stalled = 200
	for range stalled {
		f.subscribe("a", stream.Start{})
	}
	few("700 parked subscribers")
	backlog := func(feed string) {
		for range 100 {
			f.publish(feed, strings.Repeat("x", 60_000))
		}
	}
	// What shards and workers need for themselves they have from here on.
	for range 20 {
		f.subscribe("warm", stream.Start{})
	}
	backlog("warm")
	eventually(t, "they are blocked", func() bool { return f.shards.Stats().Blocked >= 20 })
	few("them")
	before := heap()
	backlog("others")
	unread := heap()
	backlog("a")
	eventually(t, "all are blocked", func() bool { return f.shards.Stats().Blocked >= 20+stalled })
	few("200 blocked subscribers")
	const most = 1000 // some of what shards and workers have is counted here
	each := int64(0)
	eventually(t, "next to nothing is held for them", func() bool {
		each = ((heap() - unread) - (unread - before)) / stalled
		return each < most
	})
	t.Logf("one that is owed 6 MB takes %d bytes more", each)
	runtime.KeepAlive(f)
}

// heap returns how many bytes are in use when no goroutine is at work.
func heap() int64 {
	least := int64(math.MaxInt64)
	for range 4 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		least = min(least, int64(m.HeapAlloc))
	}
	return least
}

// vanish makes the client's kernel drop everything that comes, without a word,
// as a peer does that lost its network.
func vanish(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	err = errors.Join(raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
	}), err)
	if err != nil {
		t.Skipf("no filter can be set on a socket: %v", err)
	}
}

// P5: a peer that vanishes is cut once it left something unacknowledged for the
// stall timeout: an item that the kernel took long ago, or a sign of life.
func TestP5_vanished_peers_are_cut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what string
		opts fanout.Options
		send int // bytes of an item, 0 for none
	}{
		{"a small item", fanout.Options{StallTimeout: 300 * time.Millisecond}, 10},
		// Who is there must read now and then, also on a busy machine.
		{"more than fits", fanout.Options{StallTimeout: 2 * time.Second}, 500_000},
		{"a heartbeat", fanout.Options{StallTimeout: 300 * time.Millisecond, Heartbeat: 50 * time.Millisecond}, 0},
	} {
		f := newFarm(t, c.opts, stream.StoreOptions{}, stream.HubOptions{})
		f.buffer = 8192
		gone, there := f.subscribe("a", stream.Start{}), f.subscribe("a", stream.Start{})
		var alive atomic.Int64
		go func() { n, _ := io.Copy(io.Discard, there); alive.Add(n) }()
		vanish(t, gone)
		for range 3 {
			if c.send > 0 {
				f.publish("a", strings.Repeat("x", c.send))
			}
		}
		eventually(t, "the peer that left "+c.what+" unacknowledged is cut", func() bool { return f.ends[fanout.EndStalled].Load() >= 1 })
		if n := f.ends[fanout.EndStalled].Load(); n != 1 {
			t.Errorf("%s: %d were cut, and one had vanished", c.what, n)
		}
		f.stop()
		there.Close()
	}
}

// P5: a reader that makes progress is not cut, however slow; one that makes none
// is.
func TestP5_a_slow_reader_is_not_cut(t *testing.T) {
	t.Parallel()
	for stall := time.Second; !readSlowly(t, stall); stall *= 2 {
		if stall > patience {
			t.Fatal("the reader was kept from reading for longer than a minute")
		}
	}
}

// readSlowly reads a little four times in the stall timeout. It reports whether
// it could: a busy machine may keep a reader from reading for longer than it
// may pause, and then it is cut.
func readSlowly(t *testing.T, stall time.Duration) bool {
	t.Helper()
	f := newFarm(t, fanout.Options{StallTimeout: stall}, stream.StoreOptions{}, stream.HubOptions{})
	defer f.stop()
	f.buffer = 4096
	slow := f.subscribe("a", stream.Start{})
	idle := f.subscribe("a", stream.Start{}) // takes nothing
	data := strings.Repeat("x", 200_000)
	want := line(f.publish("a", data).First, "a", data)
	buf := make([]byte, 2048)
	pause := time.NewTicker(stall / 4)
	defer pause.Stop()
	last, kept := time.Now(), true
	for read := range 18 { // 4.5 times the stall timeout
		<-pause.C
		_, err := io.ReadFull(slow, buf)
		kept = kept && time.Since(last) < stall/2
		last = time.Now()
		if err != nil && !kept {
			return false
		}
		if err != nil || string(buf) != want[:len(buf)] {
			t.Fatalf("read %d: %v", read, err)
		}
		want = want[len(buf):]
	}
	eventually(t, "the one that took nothing is cut", func() bool { return f.ends[fanout.EndStalled].Load() >= 1 })
	if n := f.ends[fanout.EndStalled].Load(); n != 1 {
		t.Errorf("%d were cut, and one took nothing", n)
	}
	if _, err := io.ReadAll(idle); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("what was not taken is kept by the kernel (%v)", err)
	}
	must(t, slow, want)
	must(t, slow, line(f.publish("a", "end").First, "a", "end"))
	return true
}

// gate is an engine whose reads wait as long as it is shut.
type gate struct {
	stream.Engine
	shut    atomic.Bool
	open    chan struct{}
	waiting atomic.Int32
}

func (g *gate) Read(ctx context.Context, q stream.Query) (stream.Page, error) {
	if g.shut.Load() {
		g.waiting.Add(1)
		<-g.open
	}
	return g.Engine.Read(ctx, q)
}

// P5: readers that replay hold up no live one, also when everybody who works
// for them waits for the store.
func TestP5_replays_hold_up_no_live_reader(t *testing.T) {
	t.Parallel()
	g := &gate{Engine: memlog.Open(stream.StoreOptions{}), open: make(chan struct{})}
	f := newFarmOn(t, fanout.Options{}, g, stream.HubOptions{WindowBytes: 10_000})
	begin := f.hub.Head()
	want := ""
	for range 100 {
		want += line(f.publish("a", strings.Repeat("x", 1000)).First, "a", strings.Repeat("x", 1000))
	}
	live := f.subscribe("a", stream.Start{})
	must(t, live, line(f.publish("a", "live").First, "a", "live"))
	g.shut.Store(true)
	var replays []*net.TCPConn
	for range 100 {
		replays = append(replays, f.subscribe("a", stream.StartAfter(begin.String())))
	}
	eventually(t, "many wait for the store", func() bool { return g.waiting.Load() >= 8 })
	for range 20 {
		must(t, live, line(f.publish("a", "y").First, "a", "y"))
	}
	late := f.subscribe("a", stream.Start{})
	end := line(f.publish("a", "end").First, "a", "end")
	must(t, live, end)
	must(t, late, end)
	g.shut.Store(false)
	close(g.open)
	for _, c := range replays {
		must(t, c, want)
		in := bufio.NewReader(c)
		for l := ""; l != end; {
			var err error
			if l, err = in.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := g.waiting.Load(); n > 32 {
		t.Errorf("%d read at the same time", n)
	}
}

// Each of many silent streams shows that it lives; and none gets a sign of life
// as long as items come.
func TestHeartbeats_of_many(t *testing.T) {
	t.Parallel()
	f := newFarm(t, fanout.Options{Heartbeat: 100 * time.Millisecond}, stream.StoreOptions{}, stream.HubOptions{})
	at := f.publish("a", "x").First
	var conns []*net.TCPConn
	for range 500 {
		conns = append(conns, f.subscribe("a", stream.Start{}))
	}
	sign := "silence " + at.String() + "\n"
	for _, c := range conns {
		must(t, c, sign+sign+sign)
	}
}

func TestHeartbeats_only_on_silence(t *testing.T) {
	t.Parallel()
	const heartbeat = time.Second
	f := newFarm(t, fanout.Options{Heartbeat: heartbeat}, stream.StoreOptions{}, stream.HubOptions{})
	in := bufio.NewReader(f.subscribe("a", stream.Start{}))
	tick := time.NewTicker(heartbeat / 20)
	defer tick.Stop()
	begin := f.publish("a", "begin").First
	last := begin
	for last < begin+stream.ID(4*heartbeat/time.Microsecond) {
		<-tick.C
		last = f.publish("a", "x").First
	}
	needless, before := 0, begin
	for silent := false; before < last; {
		text, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(text, "silence ") {
			silent = true
			continue
		}
		number, _, _ := strings.Cut(text, " ")
		id, ok := stream.ParseID(number)
		if !ok {
			t.Fatalf("%q", text)
		}
		// An id is a time: the publisher may have been held up.
		if silent && id-before < stream.ID(heartbeat/2/time.Microsecond) {
			needless++
		}
		silent, before = false, id
	}
	if needless >= 3 { // who delivers may have been held up as well, once or twice
		t.Errorf("%d signs of life came among the items", needless)
	}
}
