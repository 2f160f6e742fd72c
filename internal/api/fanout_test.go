package api_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

// tap is a subscriber on a connection of its own that reads when its test says
// so, and as much. It speaks HTTP/1.0, so that what comes are the bytes of the
// stream.
type tap struct {
	s     *server
	tr    transport
	conn  *net.TCPConn
	buf   []byte // came, and is no whole note yet
	seen  int    // buf[:seen] has no end of a note
	ended error  // why nothing more comes
}

// tap opens a stream, with a receive buffer of so many bytes (0: as it comes).
// It reads the opening.
func (s *server) tap(path string, tr transport, buffer int, headers ...string) (*tap, note) {
	s.t.Helper()
	tp := s.ask(path, tr, buffer, headers...)
	n, ok := tp.wait(patience)
	if !ok || n.kind != opening {
		s.t.Fatalf("GET %s: %+v (%v) instead of the opening", path, n, tp.ended)
	}
	return tp, n
}

// ask opens a stream, and reads the head of the answer only.
func (s *server) ask(path string, tr transport, buffer int, headers ...string) *tap {
	s.t.Helper()
	c := s.dial(buffer)
	c.SetDeadline(time.Time{})
	accept := "text/event-stream"
	if tr.name == "ndjson" {
		accept = linesType
	} else if !tr.plain {
		path = with(path, "envelope=true")
	}
	head := append([]string{"Host: " + s.addr, "Accept: " + accept}, headers...)
	if i := slices.Index(head, anonymous); i >= 0 {
		head = slices.Delete(head, i, i+1)
	} else {
		head = append(head, "Authorization: Bearer "+key)
	}
	fmt.Fprintf(c, "GET /feeds/%s HTTP/1.0\r\n%s\r\n\r\n", path, strings.Join(head, "\r\n"))
	tp := &tap{s: s, tr: tr, conn: c}
	c.SetReadDeadline(time.Now().Add(patience))
	for !bytes.HasSuffix(tp.buf, []byte("\r\n\r\n")) {
		if tp.read(1); tp.ended != nil {
			s.t.Fatalf("GET %s: %v after %q", path, tp.ended, tp.buf)
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(tp.buf)), nil)
	if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != accept {
		s.t.Fatalf("GET %s: %v, %q", path, err, tp.buf)
	}
	tp.buf = nil
	return tp
}

// read reads what comes next, at most so many bytes.
func (tp *tap) read(most int) (n int) {
	b := make([]byte, most)
	n, err := tp.conn.Read(b)
	tp.buf = append(tp.buf, b[:n]...)
	tp.ended = err
	return n
}

// take reads what is there, at most so many bytes, and waits for nothing.
func (tp *tap) take(most int) (n int) {
	raw, err := tp.conn.SyscallConn()
	if err != nil {
		tp.ended = err
		return 0
	}
	b := make([]byte, most)
	err = errors.Join(raw.Read(func(fd uintptr) bool {
		n, err = syscall.Read(int(fd), b)
		return true
	}), err)
	switch {
	case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR):
		return 0
	case err != nil:
		tp.ended = err
		return 0
	case n == 0:
		tp.ended = io.EOF
	}
	tp.buf = append(tp.buf, b[:n]...)
	return n
}

// note returns the next note of what came, if there is a whole one.
func (tp *tap) note() (note, bool) {
	end := "\n\n"
	if tp.tr.name == "ndjson" {
		end = "\n"
	}
	i := bytes.Index(tp.buf[tp.seen:], []byte(end))
	if i < 0 {
		tp.seen = max(0, len(tp.buf)-1)
		return note{}, false
	}
	block := string(tp.buf[:tp.seen+i+len(end)])
	tp.buf, tp.seen = tp.buf[len(block):], 0
	in := bufio.NewReader(strings.NewReader(block))
	if tp.tr.name == "ndjson" {
		return lineNote(tp.s.t, in), true
	}
	n := newSSE(in).note()
	n.raw = block
	if n.kind == anItem && !tp.tr.plain {
		var it item
		answer{body: n.data}.decode(tp.s.t, &it)
		n.data, n.text = plainData(it.Data)
		n.feed = it.Feed
	}
	return n, true
}

// wait returns the next note, if one comes in time.
func (tp *tap) wait(most time.Duration) (note, bool) {
	tp.conn.SetReadDeadline(time.Now().Add(most))
	for {
		if n, ok := tp.note(); ok {
			return n, true
		}
		if tp.ended != nil {
			return note{}, false
		}
		tp.read(4096)
	}
}

// something returns the next note that is no sign of life. It fails the test
// when none comes.
func (tp *tap) something() note {
	tp.s.t.Helper()
	for {
		n, ok := tp.wait(patience)
		if !ok {
			tp.s.t.Fatalf("nothing more comes: %v, after %.200q", tp.ended, tp.buf)
		}
		if n.kind != aComment && n.kind != opening {
			return n
		}
	}
}

// mustItem fails the test unless this item comes next, in these bytes.
func (tp *tap) mustItem(it *stream.Item) {
	tp.s.t.Helper()
	if n := tp.something(); n.raw != frameOf(tp.tr, it) {
		tp.s.t.Fatalf("%s %s %.80q %+v came instead of item %s", n.kind, n.id, n.raw, n.gap, it.ID)
	}
}

// rest reads to the end.
func (tp *tap) rest() ([]byte, error) {
	tp.conn.SetReadDeadline(time.Now().Add(2 * patience))
	for tp.ended == nil {
		tp.read(32 << 10)
	}
	return tp.buf, tp.ended
}

// reset closes the connection without a goodbye.
func (tp *tap) reset() {
	tp.conn.SetLinger(0)
	tp.conn.Close()
}

// frameOf returns the bytes of an item on a transport.
func frameOf(tr transport, it *stream.Item) string {
	switch {
	case tr.name == "ndjson":
		return string(wire.AppendLine(nil, it))
	case tr.plain:
		return string(wire.AppendSSE(nil, it))
	default:
		return string(wire.AppendSSEEnvelope(nil, it))
	}
}

// publish publishes past HTTP, and returns the items.
func (s *server) publish(feed string, drafts ...stream.Draft) []*stream.Item {
	s.t.Helper()
	r, err := s.hub.Publish(context.Background(), stream.Batch{Feed: feed, Drafts: drafts})
	if err != nil {
		s.t.Fatal(err)
	}
	items := make([]*stream.Item, len(drafts))
	for i, d := range drafts {
		id := r.First + stream.ID(i)
		items[i] = &stream.Item{ID: id, Feed: feed, Event: d.Event, Time: id.Time(), JSON: d.JSON, Data: d.Data}
	}
	return items
}

// text publishes one item of text.
func (s *server) text(feed, data string) *stream.Item {
	s.t.Helper()
	return s.publish(feed, stream.Draft{Data: []byte(data)})[0]
}

// taps are the transports that a tap knows.
var taps = []transport{sseTransport, envelopeTransport, ndjsonTransport}
