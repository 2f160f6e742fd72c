//go:build linux && !portable

package fanout_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"feedd/internal/fanout"
	"feedd/internal/memlog"
	"feedd/internal/stream"
)

// newLane is a farm with one shard, which the test can hold: hold adds a
// subscriber, who comes before all that are added later, and when that one
// leaves the shard waits for release.
func newLane(t *testing.T, engine stream.Engine, hub stream.HubOptions) (f *farm, hold func() (leave, held, release func())) {
	t.Helper()
	f = newFarmOn(t, fanout.Options{Number: 1}, engine, hub)
	return f, func() (leave, held, release func()) {
		in, out := make(chan struct{}), make(chan struct{})
		s, c := f.pair()
		cur := f.cursor("the.holder", stream.Start{})
		err := f.shards.Adopt(s, fanout.Subscriber{Cursor: cur, Encoding: lines, PositionTold: cur.Position(), OnEnd: func(fanout.End) {
			close(in)
			<-out
		}})
		if err != nil {
			t.Fatal(err)
		}
		must(t, c, line(f.publish("the.holder", "x").First, "the.holder", "x"))
		return func() { c.Close() }, func() { <-in }, func() { close(out) }
	}
}

// P1, P3: who comes at the same time and stands at different places gets what
// comes next for it, and not for another one.
func TestP3_members_that_come_together(t *testing.T) {
	f, hold := newLane(t, memlog.Open(stream.StoreOptions{}), stream.HubOptions{})
	leave, held, release := hold()
	begin := f.hub.Head()
	ids, rest := []stream.ID{begin}, make([]string, 21)
	for i := range 20 {
		data := fmt.Sprint("item ", i)
		r := f.publish("a", data)
		ids = append(ids, r.First)
		for j := range i + 1 {
			rest[j] += line(r.First, "a", data)
		}
	}
	leave()
	held()
	var conns []*net.TCPConn
	for range 3 {
		for i := range ids {
			conns = append(conns, f.subscribe("a", stream.StartAfter(ids[i].String())))
		}
	}
	release()
	end := line(f.publish("a", "end").First, "a", "end")
	for i, c := range conns {
		must(t, c, rest[i%len(ids)]+end)
	}
}

// P1: what comes while a group is being served, one slice of it after the
// other, also reaches the members that had their turn, without anything more to
// wake them.
func TestP1_items_that_come_during_a_pass(t *testing.T) {
	f, _ := newLane(t, memlog.Open(stream.StoreOptions{}), stream.HubOptions{})
	var conns []*net.TCPConn
	for range 500 {
		conns = append(conns, f.subscribe("a", stream.Start{}))
	}
	for range 10 {
		want := ""
		for i := range 3 {
			data := fmt.Sprint("item ", i)
			want += line(f.publish("a", data).First, "a", data)
		}
		for _, c := range conns {
			must(t, c, want)
		}
	}
}

// P1, P3: more than a member gets in a pass comes in the passes that follow.
func TestP1_more_than_a_pass_gives(t *testing.T) {
	f, _ := newLane(t, memlog.Open(stream.StoreOptions{}), stream.HubOptions{})
	early := f.subscribe("a", stream.Start{})
	must(t, early, line(f.publish("a", "x").First, "a", "x"))
	var list []string
	for i := range 9000 {
		list = append(list, fmt.Sprint(i))
	}
	go func() { // it takes all the time
		r := f.publish("a", list...)
		f.publish("a", strings.Repeat("y", 600_000), strings.Repeat("z", 600_000))
		_ = r
	}()
	got := make(chan error)
	go func() {
		var err error
		last, n := "", 0
		buf := make([]byte, 64<<10)
		for n < len(list)+2 && err == nil {
			var k int
			k, err = early.Read(buf)
			n += strings.Count(string(buf[:k]), "\n")
			last += string(buf[:k])
		}
		for i, l := range strings.Split(strings.TrimSuffix(last, "\n"), "\n") {
			if _, data, _ := strings.Cut(l, " a "); i < len(list) && data != list[i] {
				err = fmt.Errorf("line %d is %.50q", i, l)
				break
			}
		}
		got <- err
	}()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// P9: what a peer has said until its stream ends makes the end no reset.
func TestP9_end_of_a_peer_that_talks(t *testing.T) {
	f, hold := newLane(t, memlog.Open(stream.StoreOptions{}), stream.HubOptions{})
	_, held, release := hold()
	c := f.subscribe("a", stream.Start{})
	at := f.publish("a", "x").First
	must(t, c, line(at, "a", "x"))
	f.hub.Drain()
	held() // the shard is telling the one before it
	if _, err := c.Write([]byte("what is it?")); err != nil {
		t.Fatal(err)
	}
	release()
	all, err := io.ReadAll(c)
	if want := fmt.Sprintf("closing %d draining\n", at); string(all) != want || err != nil {
		t.Errorf("%q, %v, want %q", all, err, want)
	}
}

// P1, P9: a drain overtakes a reader that waits for the rest of an item, before
// the shard knows of the drain. It gets nothing behind the half.
func TestP9_drain_overtakes_half_an_item(t *testing.T) {
	for range 10 { // the shard learns of the one or the other first
		g := &gate{Engine: memlog.Open(stream.StoreOptions{}), open: make(chan struct{})}
		f, hold := newLane(t, g, stream.HubOptions{})
		leave, held, release := hold()
		f.buffer = 4096
		half := f.subscribe("a", stream.Start{})
		want := ""
		for range 3 {
			data := strings.Repeat("x", 100_000)
			want += line(f.publish("a", data).First, "a", data)
		}
		eventually(t, "it is blocked", func() bool { return f.shards.Stats().Blocked > 0 })
		routines := runtime.NumGoroutine()

		// Workers wait for the store, and so has it to wait, perhaps.
		g.shut.Store(true)
		for range 40 {
			f.subscribe("a", stream.StartAfter(stream.MaxID.String()))
		}
		eventually(t, "many wait for the store", func() bool { return g.waiting.Load() >= 20 })
		got := make([]byte, 5000)
		if _, err := io.ReadFull(half, got); err != nil {
			t.Fatal(err)
		}
		other := f.subscribe("b", stream.Start{})
		for range 3 { // meanwhile it is in the queue
			must(t, other, line(f.publish("b", "x").First, "b", "x"))
		}
		leave()
		held()
		f.hub.Drain()
		g.shut.Store(false)
		close(g.open)
		eventually(t, "the workers are done", func() bool { return runtime.NumGoroutine() <= routines })
		release()
		rest, err := io.ReadAll(half)
		got = append(got, rest...)
		if !strings.HasPrefix(want, string(got)) || err != nil && !errors.Is(err, syscall.ECONNRESET) {
			n := 0
			for n < len(got) && got[n] == want[n] {
				n++
			}
			t.Fatalf("P9: %.60q came behind %.60q (%v)", got[n:], got[max(0, n-60):n], err)
		}
		f.stop()
	}
}

// P5: who asks for one of very many subscribers does not keep the shard from the
// others meanwhile, and finds that one.
func TestP5_members_are_looked_through_in_turns(t *testing.T) {
	f, _ := newLane(t, memlog.Open(stream.StoreOptions{}), stream.HubOptions{})
	const many = 1200
	for range many {
		f.subscribe("a", stream.Start{})
	}
	last := f.subscribe("b", stream.Start{})
	must(t, last, line(f.publish("b", "x").First, "b", "x")) // all are there
	looked, others := 0, 0
	list := f.shards.Members(3, func(_ netip.AddrPort, selector string) bool {
		if looked++; looked == 1 {
			f.shards.Leave(func() { others = looked })
		}
		return selector == "b"
	})
	if len(list) != 1 || list[0].Selector != "b" || looked != many+1 {
		t.Errorf("of %d that were looked at these are listed: %+v", looked, list)
	}
	if others == 0 || others > many/2 {
		t.Errorf("the shard did something else after %d of %d", others, many)
	}
	if n := len(f.shards.Members(3, func(netip.AddrPort, string) bool { return true })); n != 3 {
		t.Errorf("%d are listed, not 3", n)
	}
}
