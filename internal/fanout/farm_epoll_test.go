//go:build linux && !portable

package fanout_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"feedd/internal/fanout"
	"feedd/internal/memlog"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// lines is the encoding of these tests: a line for everything, an item's
// begins with its id.
var lines = &stream.Encoding{
	Items: stream.NewFormat(func(dst []byte, it *stream.Item) []byte {
		return fmt.Appendf(dst, "%d %s %s\n", it.ID, it.Feed, it.Data)
	}),
	Opening: func(dst []byte, at stream.ID, _ time.Duration) []byte { return fmt.Appendf(dst, "open %d\n", at) },
	Silence: func(dst []byte, at stream.ID, _ bool) []byte { return fmt.Appendf(dst, "silence %d\n", at) },
	Gap: func(dst []byte, g *stream.Gap) []byte {
		return fmt.Appendf(dst, "gap %s %d %s\n", g.Reason, g.Through, g.After)
	},
	Closing: func(dst []byte, c stream.Closing) []byte {
		return fmt.Appendf(dst, "closing %d %s\n", c.Cursor, c.Reason)
	},
}

// farm is a hub with shards, and a listener for their subscribers.
type farm struct {
	t      *testing.T
	engine stream.Engine
	hub    *stream.Hub
	shards *fanout.Shards
	listen net.Listener
	buffer int // of each connection, on both sides; 0: as it comes
	ends   [4]atomic.Int32
	stop   func()
}

func newFarm(t *testing.T, opts fanout.Options, store stream.StoreOptions, hub stream.HubOptions) *farm {
	t.Helper()
	return newFarmOn(t, opts, memlog.Open(store), hub)
}

func newFarmOn(t *testing.T, opts fanout.Options, engine stream.Engine, hub stream.HubOptions) *farm {
	t.Helper()
	if opts.Heartbeat == 0 {
		opts.Heartbeat = time.Hour
	}
	if opts.StallTimeout == 0 {
		opts.StallTimeout = time.Hour
	}
	opts.Logger = slog.New(slog.DiscardHandler)
	f := &farm{t: t, engine: engine}
	f.hub = stream.NewHub(f.engine, hub)
	var err error
	if f.shards, err = fanout.New(f.hub, opts); err != nil {
		t.Fatal(err)
	}
	if f.listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	f.stop = sync.OnceFunc(func() {
		f.listen.Close()
		f.shards.Close()
		f.engine.Close()
		f.hub.Close()
	})
	t.Cleanup(f.stop)
	return f
}

// pair returns the two ends of a new connection.
func (f *farm) pair() (server, client *net.TCPConn) {
	f.t.Helper()
	d := net.Dialer{Timeout: patience, Control: func(_, _ string, c syscall.RawConn) error {
		if f.buffer == 0 {
			return nil
		}
		var set error
		return errors.Join(c.Control(func(fd uintptr) {
			set = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, f.buffer)
		}), set)
	}}
	c, err := d.Dial("tcp", f.listen.Addr().String())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(3 * patience))
	s, err := f.listen.Accept()
	if err != nil {
		f.t.Fatal(err)
	}
	if f.buffer > 0 {
		s.(*net.TCPConn).SetWriteBuffer(f.buffer)
	}
	return s.(*net.TCPConn), c.(*net.TCPConn)
}

func (f *farm) cursor(text string, start stream.Start) *stream.Cursor {
	f.t.Helper()
	sel, err := selector.Parse(text, 16)
	if err != nil {
		f.t.Fatal(err)
	}
	cur, err := f.hub.Open(context.Background(), sel, start)
	if err != nil {
		f.t.Fatal(err)
	}
	return cur
}

// subscribe gives the shards a subscriber, and returns its connection.
func (f *farm) subscribe(selector string, start stream.Start) *net.TCPConn {
	f.t.Helper()
	s, c := f.pair()
	f.adopt(s, f.cursor(selector, start))
	return c
}

func (f *farm) adopt(conn net.Conn, cur *stream.Cursor) {
	f.t.Helper()
	err := f.shards.Adopt(conn, fanout.Subscriber{
		Cursor: cur, Encoding: lines, PositionTold: cur.Position(), OnEnd: func(e fanout.End) { f.ends[e].Add(1) },
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *farm) publish(feed string, data ...string) stream.Receipt {
	f.t.Helper()
	b := stream.Batch{Feed: feed}
	for _, d := range data {
		b.Drafts = append(b.Drafts, stream.Draft{Data: []byte(d)})
	}
	r, err := f.hub.Publish(context.Background(), b)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// line is what a subscriber gets for an item.
func line(id stream.ID, feed, data string) string { return fmt.Sprintf("%d %s %s\n", id, feed, data) }

// must fails the test unless these bytes come next.
func must(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(c, got)
	if err != nil || string(got) != want {
		t.Fatalf("%.200q came (error %v), want %.200q", got[:n], err, want)
	}
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("it did not come about that %s", what)
}

// P1, P9: a drain that meets readers in the middle of an item: what they get
// ends at the end of an item, with the closing, or within an item, with
// nothing behind the half.
func TestP9_drain_in_the_middle_of_items(t *testing.T) {
	for round := range 6 {
		f := newFarm(t, fanout.Options{}, stream.StoreOptions{}, stream.HubOptions{})
		f.buffer = 4096
		const readers = 40
		want := fmt.Sprintf("open %d\n", f.hub.Head())
		var conns []*net.TCPConn
		for range readers {
			s, c := f.pair()
			s.Write([]byte(want))
			f.adopt(s, f.cursor("a", stream.Start{}))
			conns = append(conns, c)
		}
		for i := range 40 {
			data := strings.Repeat(string(rune('a'+i%26)), 30_000)
			want += line(f.publish("a", data).First, "a", data)
		}
		eventually(t, "all are blocked", func() bool { return f.shards.Stats().Blocked >= readers })
		var reading sync.WaitGroup
		var took atomic.Int64
		for i, c := range conns {
			reading.Go(func() {
				var all []byte
				buf := make([]byte, 2048)
				for {
					n, err := c.Read(buf)
					all = append(all, buf[:n]...)
					took.Add(int64(n))
					if err != nil {
						if !errors.Is(err, io.EOF) {
							t.Errorf("reader %d: %v", i, err)
						}
						break
					}
				}
				if strings.HasPrefix(want, string(all)) {
					return // whole, or cut off without anything behind it
				}
				n := 0
				for n < len(all) && n < len(want) && all[n] == want[n] {
					n++
				}
				rest := all[n:]
				if n == 0 || all[n-1] != '\n' || !bytes.HasPrefix(rest, []byte("closing ")) || bytes.Count(rest, []byte("\n")) != 1 {
					t.Errorf("P9: reader %d got %.60q behind %.60q", i, rest, all[max(0, n-60):n])
				}
			})
		}
		eventually(t, "the readers read", func() bool { return took.Load() > int64(readers*(20_000+round*10_000)) })
		f.hub.Drain()
		reading.Wait()
		f.stop()
	}
}

// P4, P9: a reader whose position is not this store's, and that a drain meets
// before it was told so, is told when it comes back: the closing must not give
// it a position of this store.
func TestP4_drain_before_a_reader_was_told_of_its_position(t *testing.T) {
	f := newFarm(t, fanout.Options{}, stream.StoreOptions{}, stream.HubOptions{})
	f.publish("a", "x")
	s, c := f.pair()
	cur := f.cursor("a", stream.StartAfter(stream.MaxID.String()))
	f.hub.Drain() // between the opening of the stream and the shards
	f.adopt(s, cur)
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(all); got != "closing 0 draining\n" && !strings.HasPrefix(got, "gap unknown ") {
		t.Errorf("%q came to a reader at %d, which comes back from there without having been told", got, stream.MaxID)
	}
}
