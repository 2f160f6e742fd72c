package crash_test

import (
	"context"
	"feedd/e2e/harness"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// leaky is a proxy that passes connections on to an address, and loses each after some bytes
// of the answer, wherever that is.
type leaky struct {
	net.Listener
	to      string
	running sync.WaitGroup

	mu   sync.Mutex // guards the fields below
	dice *rand.Rand
	most int // bytes of an answer, 0: it may end by itself
	cuts int
	open map[net.Conn]bool
}

func startLeaky(t *testing.T, to string, most int) *leaky {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &leaky{Listener: l, to: to, most: most, dice: rand.New(rand.NewPCG(1, 2)), open: make(map[net.Conn]bool)}
	c.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.running.Go(func() { c.pass(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.mu.Lock()
		c.most = -1 // connections that come now are closed
		for conn := range c.open {
			conn.Close()
		}
		c.mu.Unlock()
		c.running.Wait()
	})
	return c
}

func (c *leaky) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer server.Close()
	c.mu.Lock()
	if c.most < 0 {
		c.mu.Unlock()
		return
	}
	c.open[client], c.open[server] = true, true
	most := int64(1) << 40
	if c.most > 0 {
		most = int64(c.dice.IntN(c.most))
	}
	c.mu.Unlock()
	c.running.Go(func() {
		io.Copy(server, client)
		server.Close()
	})
	n, _ := io.Copy(client, io.LimitReader(server, most))
	client.(*net.TCPConn).SetLinger(0) // a reset, not an end
	c.mu.Lock()
	defer c.mu.Unlock()
	if n == most {
		c.cuts++
	}
	delete(c.open, client)
	delete(c.open, server)
}

func (c *leaky) number() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cuts
}

// calm lets connections last from now on.
func (c *leaky) calm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.most = 0
}

// A feedd follows another one while both are killed with -9 again and again, and
// connections are lost in the middle of events: it has what the other one has,
// once and in order.
func TestP3_upstream_that_is_killed_and_cut(t *testing.T) {
	const items, kills = 700, 3
	up := harness.Start(t)
	cut := startLeaky(t, up.Address, 80_000)
	local := harness.Start(t, harness.WithConfig(fmt.Sprintf("upstreams: [{url: \"http://%s/feeds/source?since=all\", feed: copy.of.source}]\n", cut.Addr())))
	ctx, cancel := context.WithTimeout(t.Context(), 2*harness.Patience)
	defer cancel()
	key := up.Key()
	published := make(chan struct{}, items)
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for i := range items {
			body := fmt.Sprintf(`{"n":%d,"rest":%q}`, i, strings.Repeat("é\n", i%300))
			if err := up.PublishUntil(ctx, key, "source", fmt.Sprint("k", i), body); err != nil {
				t.Error(err)
				return
			}
			published <- struct{}{}
		}
	})
	dice := rand.New(rand.NewPCG(3, 4))
	for i := range 2 * kills {
		for range items / (2*kills + 1) {
			select {
			case <-published:
			case <-ctx.Done():
				t.Fatal("publishing takes too long")
			}
		}
		// Some way into a commit, a read, or a wait.
		awhile := time.NewTimer(time.Duration(dice.IntN(1000)) * time.Millisecond)
		<-awhile.C
		victim := []*harness.Server{local, up}[i%2]
		victim.Kill()
		victim.Start()
	}
	publishing.Wait()
	for have := 0; have < items; {
		if have = len(local.ByPages("copy.of.source", 1000)); have < items && !harness.Pause(ctx, 10*time.Millisecond) {
			t.Fatalf("there are %d of %d items", have, items)
		}
		if have > items/2 {
			cut.calm()
		}
	}
	want, got := up.ByPages("source", 1000), local.ByPages("copy.of.source", 1000)
	if !slices.Equal(got, want) || len(want) != items {
		t.Errorf("the copy has %d items, the source %d, and they are not the same", len(got), len(want))
	}
	if n := cut.number(); n < 3 {
		t.Errorf("only %d connections were cut", n)
	}
}
