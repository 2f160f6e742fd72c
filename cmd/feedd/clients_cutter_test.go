package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// place says where in an answer a connection is cut.
type place int

const (
	nowhere      place = iota
	inHead             // of the HTTP answer
	afterHead          // before the first byte of the stream
	inOpening          // between retry and id
	afterOpening       // before the first event
	inData             // of an event, anywhere
	beforeID           // between the data and the id
	inID               // so that a smaller number is left of it
	afterID            // before the blank line
	afterEvent
	places
)

func (p place) String() string {
	return [...]string{"nowhere", "in the head", "after the head", "in the opening", "after the opening", "in the data",
		"before the id", "in the id", "before the blank line", "after an event"}[p]
}

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

// answer is one answer on its way to a client.
type answer struct {
	*cutter
	client string
	near   net.Conn
	from   *bufio.Reader

	place place
	after int     // events that pass before, or frames' bytes
	part  float64 // of the line, or of the head, that is cut
	hard  bool    // with a reset
}

// library is what a client's name says behind the slash.
func library(client string) string {
	_, name, _ := strings.Cut(client, "/")
	return name
}

// notCut returns at which places the clients of which library were not cut yet.
func (c *cutter) notCut(clients []string) (missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, client := range clients {
		for p := nowhere + 1; p < places; p++ {
			if what := library(client) + " " + p.String(); c.cut[what] == 0 && !slices.Contains(missing, what) {
				missing = append(missing, what)
			}
		}
	}
	return missing
}

// decide draws from the library's deck, which holds each place once.
func (a *answer) decide() {
	c := a.cutter
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.storm || a.client == "" {
		return
	}
	deck := c.decks[library(a.client)]
	if len(deck) == 0 {
		for p := nowhere + 1; p < places; p++ {
			deck = append(deck, p)
		}
		c.rnd.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	}
	// Clients wait longer after each answer that gave them nothing, so nobody
	// gets two of those in a row if it can be helped.
	next := max(0, slices.IndexFunc(deck, func(p place) bool { return p > inOpening || c.last[a.client] > inOpening }))
	a.place = deck[next]
	c.last[a.client], c.decks[library(a.client)] = a.place, slices.Delete(deck, next, next+1)
	a.after, a.part, a.hard = c.rnd.IntN(30), c.rnd.Float64(), c.rnd.IntN(3) == 0
	// Over plain HTTP Chromium takes half a head for a whole one when the
	// connection ends well; without a Content-Type in that half its EventSource
	// stops for good, whatever the server does. A reset it sees as what it is.
	a.hard = a.hard || a.place == inHead && library(a.client) == "chromium"
}

// end cuts the connection.
func (a *answer) end() {
	if tcp, ok := a.near.(*net.TCPConn); ok && a.hard {
		tcp.SetLinger(0)
	}
	a.near.Close()
	a.note(a.cut, library(a.client)+" "+a.place.String())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.history = append(a.history, fmt.Sprintf("%s %s, after %d, part %.2f, hard %v", a.client, a.place, a.after, a.part, a.hard))
}

// pass passes the answer on, up to where it is cut.
func (a *answer) pass() {
	var head []byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		line, err := a.from.ReadBytes('\n')
		if head = append(head, line...); err != nil {
			a.near.Write(head)
			return
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		return
	}
	if a.place == inHead {
		a.near.Write(head[:int(a.part*float64(len(head)))])
		a.end()
		return
	}
	a.near.Write(head)
	switch {
	case a.place == afterHead:
		a.end()
	case resp.StatusCode == http.StatusSwitchingProtocols:
		a.passFrames()
	case strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream"):
		a.passEvents()
	default:
		io.Copy(a.near, a.from)
	}
}

// passEvents passes an event stream line by line.
func (a *answer) passEvents() {
	to := bufio.NewWriterSize(a.near, 64<<10) // what came together goes on together
	defer to.Flush()
	opening, data := true, false // in the opening block; the block has data
	for events := 0; ; {
		line, err := a.from.ReadBytes('\n')
		if err != nil {
			to.Write(line)
			return
		}
		last := !opening && events >= a.after // this is the event that is cut
		isID, isData := bytes.HasPrefix(line, []byte("id: ")), bytes.HasPrefix(line, []byte("data: "))
		data = data || isData
		stop, keep := false, len(line) // cut after keep bytes of this line
		switch a.place {
		case inOpening:
			stop = opening
		case inData:
			if stop = last && isData; stop {
				keep = int(a.part * float64(len(line)))
			}
		case beforeID:
			if stop = last && isID && data; stop {
				keep = 0
			}
		case inID:
			if stop = last && isID && data; stop {
				keep = len("id: ") + 1 + int(a.part*float64(len(line)-len("id: ")-2))
			}
		case afterID:
			stop = last && isID && data
		}
		blank := len(line) == 1
		if blank {
			stop = stop || a.place == afterOpening && opening || a.place == afterEvent && last && data
		}
		to.Write(line[:keep])
		if stop || a.from.Buffered() == 0 {
			if to.Flush() != nil {
				return
			}
		}
		if stop {
			a.end()
			return
		}
		if blank {
			if opening && a.client != "" {
				to.Flush()
				a.note(a.opened, a.client)
			}
			if data {
				events++
			}
			opening, data = false, false
		}
	}
}

// passFrames passes a WebSocket's bytes; a cut is after some of them.
func (a *answer) passFrames() {
	for first, left := true, 1+int(a.part*3000)*a.after; ; first = false {
		b := make([]byte, 4<<10)
		n, err := a.from.Read(b)
		if a.place != nowhere && n >= left {
			a.near.Write(b[:left])
			a.end()
			return
		}
		left -= n
		if _, e := a.near.Write(b[:n]); e != nil || err != nil {
			return
		}
		if first {
			a.note(a.opened, a.client)
		}
	}
}
