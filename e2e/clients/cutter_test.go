package clients_test

import (
	"bufio"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// cutter is a bad network before a server: it passes connections on, and cuts
// those of readers, which say who they are by ?client=. It stays where it is
// while the server is away.
type cutter struct {
	address, server string
	listener        net.Listener
	running         sync.WaitGroup

	mu      sync.Mutex // guards what follows
	rnd     *rand.Rand
	storm   bool               // connections that come now are cut
	open    map[net.Conn]bool  // on both sides
	decks   map[string][]place // what still comes to the clients of each library
	last    map[string]place   // of each client
	opened  map[string]int     // streams whose opening went through
	cut     map[string]int     // connections, by library and place
	away    map[string]int     // connections that came while the server was away
	history []string
	changed chan struct{} // closed, and made anew, when opened, cut or away grow
}

// startCutter listens until the test ends. The seed decides the cuts.
func startCutter(t *testing.T, server string, seed uint64) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{
		address: l.Addr().String(), server: server, listener: l,
		rnd:  rand.New(rand.NewPCG(seed, 0)),
		open: make(map[net.Conn]bool), decks: make(map[string][]place), opened: make(map[string]int),
		cut: make(map[string]int), last: make(map[string]place), away: make(map[string]int), changed: make(chan struct{}),
	}
	c.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.running.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.cutAll()
		c.running.Wait()
		if t.Failed() {
			t.Logf("the cuts:\n%s", strings.Join(c.history, "\n"))
		}
	})
	return c
}

// cutAll ends all connections, well as TCP sees it.
func (c *cutter) cutAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		conn.Close()
	}
}

// setStorm begins or ends the cutting. What was decided for a connection when it
// came stays so.
func (c *cutter) setStorm(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.storm = on
}

// check asks something of what mu guards.
func (c *cutter) check(ok func() bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ok()
}

// cuts returns how many there were.
func (c *cutter) cuts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.history)
}

// forgetAway begins to count anew who meets the absence.
func (c *cutter) forgetAway() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.away)
}

// await waits until ok, which looks at what mu guards.
func (c *cutter) await(ctx context.Context, ok func() bool) error {
	for {
		var changed chan struct{}
		if c.check(func() bool { changed = c.changed; return ok() }) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// note counts, and wakes who waits for that.
func (c *cutter) note(counts map[string]int, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts[what]++
	close(c.changed)
	c.changed = make(chan struct{})
}

// serve passes one request on, and its answer back.
func (c *cutter) serve(near net.Conn) {
	defer c.track(near)()
	from := bufio.NewReader(near)
	head, client, err := readRequest(from)
	if err != nil {
		return
	}
	far, err := net.Dial("tcp", c.server)
	if err != nil {
		if client != "" {
			c.note(c.away, client)
		}
		return
	}
	defer c.track(far)()
	if _, err := far.Write(head); err != nil {
		return
	}
	c.running.Go(func() {
		io.Copy(far, from)
		near.Close()
		far.Close()
	})
	a := &answer{cutter: c, client: client, near: near, from: bufio.NewReaderSize(far, 64<<10)}
	a.decide()
	a.pass()
}

// track keeps a connection among those that cutAll ends; what it returns closes
// and forgets it.
func (c *cutter) track(conn net.Conn) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[conn] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		conn.Close()
		delete(c.open, conn)
	}
}

// readRequest reads a request's head. It is changed so that the connection has
// no second one.
func readRequest(from *bufio.Reader) (head []byte, client string, err error) {
	var lines []string
	for {
		line, err := from.ReadString('\n')
		if err != nil {
			return nil, "", err
		}
		if line == "\r\n" {
			break
		}
		lines = append(lines, line)
	}
	upgrade := slices.ContainsFunc(lines, func(s string) bool { return strings.HasPrefix(strings.ToLower(s), "upgrade:") })
	if !upgrade {
		lines = slices.DeleteFunc(lines, func(s string) bool { return strings.HasPrefix(strings.ToLower(s), "connection:") })
		lines = append(lines, "Connection: close\r\n")
	}
	if f := strings.Fields(lines[0]); len(f) == 3 {
		if u, err := url.ParseRequestURI(f[1]); err == nil {
			client = u.Query().Get("client")
		}
	}
	return []byte(strings.Join(lines, "") + "\r\n"), client, nil
}
