package clients_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
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
	// Clients wait longer after each answer that gave them nothing, so no client
	// gets two of these in a row if that can be avoided.
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
