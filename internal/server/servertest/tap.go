package servertest

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

// Tap is a subscriber on a connection of its own that reads when its test says
// so, and as much. It speaks HTTP/1.0, so that what comes are the bytes of the
// stream.
type Tap struct {
	s     *Server
	Tr    Transport
	Conn  *net.TCPConn
	Buf   []byte // came, and is no whole note yet
	seen  int    // buf[:seen] has no end of a note
	Ended error  // why nothing more comes
}

// Tap opens a stream, with a receive buffer of buffer bytes (0: the kernel's
// default). It reads the opening.
func (s *Server) Tap(path string, tr Transport, buffer int, headers ...string) (*Tap, Note) {
	s.T.Helper()
	tp := s.Ask(path, tr, buffer, headers...)
	n, ok := tp.Wait(Patience)
	if !ok || n.Kind != Opening {
		s.T.Fatalf("GET %s: %+v (%v) instead of the opening", path, n, tp.Ended)
	}
	return tp, n
}

// Ask opens a stream, and reads the head of the answer only.
func (s *Server) Ask(path string, tr Transport, buffer int, headers ...string) *Tap {
	s.T.Helper()
	c := s.Dial(buffer)
	c.SetDeadline(time.Time{})
	accept := "text/event-stream"
	if tr.Name == "ndjson" {
		accept = LinesType
	} else if !tr.plain {
		path = With(path, "envelope=true")
	}
	head := append([]string{"Host: " + s.Addr, "Accept: " + accept}, headers...)
	if i := slices.Index(head, Anonymous); i >= 0 {
		head = slices.Delete(head, i, i+1)
	} else {
		head = append(head, "Authorization: Bearer "+Key)
	}
	fmt.Fprintf(c, "GET /feeds/%s HTTP/1.0\r\n%s\r\n\r\n", path, strings.Join(head, "\r\n"))
	tp := &Tap{s: s, Tr: tr, Conn: c}
	c.SetReadDeadline(time.Now().Add(Patience))
	for !bytes.HasSuffix(tp.Buf, []byte("\r\n\r\n")) {
		if tp.read(1); tp.Ended != nil {
			s.T.Fatalf("GET %s: %v after %q", path, tp.Ended, tp.Buf)
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(tp.Buf)), nil)
	if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != accept {
		s.T.Fatalf("GET %s: %v, %q", path, err, tp.Buf)
	}
	tp.Buf = nil
	return tp
}

// read reads what comes next, at most most bytes.
func (tp *Tap) read(most int) (n int) {
	b := make([]byte, most)
	n, err := tp.Conn.Read(b)
	tp.Buf = append(tp.Buf, b[:n]...)
	tp.Ended = err
	return n
}

// Take reads what is there, at most most bytes, and waits for nothing.
func (tp *Tap) Take(most int) (n int) {
	raw, err := tp.Conn.SyscallConn()
	if err != nil {
		tp.Ended = err
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
		tp.Ended = err
		return 0
	case n == 0:
		tp.Ended = io.EOF
	}
	tp.Buf = append(tp.Buf, b[:n]...)
	return n
}

// Note returns the next note of what came, if there is a whole one.
func (tp *Tap) Note() (Note, bool) {
	end := "\n\n"
	if tp.Tr.Name == "ndjson" {
		end = "\n"
	}
	i := bytes.Index(tp.Buf[tp.seen:], []byte(end))
	if i < 0 {
		tp.seen = max(0, len(tp.Buf)-1)
		return Note{}, false
	}
	block := string(tp.Buf[:tp.seen+i+len(end)])
	tp.Buf, tp.seen = tp.Buf[len(block):], 0
	in := bufio.NewReader(strings.NewReader(block))
	if tp.Tr.Name == "ndjson" {
		return lineNote(tp.s.T, in), true
	}
	n := NewSSE(in).Note()
	n.Raw = block
	if n.Kind == AnItem && !tp.Tr.plain {
		var it Item
		Answer{Body: n.Data}.Decode(tp.s.T, &it)
		n.Data, n.text = plainData(it.Data)
		n.Feed = it.Feed
	}
	return n, true
}

// Wait returns the next note, if one comes in time.
func (tp *Tap) Wait(most time.Duration) (Note, bool) {
	tp.Conn.SetReadDeadline(time.Now().Add(most))
	for {
		if n, ok := tp.Note(); ok {
			return n, true
		}
		if tp.Ended != nil {
			return Note{}, false
		}
		tp.read(4096)
	}
}

// Something returns the next note that is no sign of life. It fails the test
// when none comes.
func (tp *Tap) Something() Note {
	tp.s.T.Helper()
	for {
		n, ok := tp.Wait(Patience)
		if !ok {
			tp.s.T.Fatalf("nothing more comes: %v, after %.200q", tp.Ended, tp.Buf)
		}
		if n.Kind != AComment && n.Kind != Opening {
			return n
		}
	}
}

// MustItem fails the test unless this item comes next, in these bytes.
func (tp *Tap) MustItem(it *stream.Item) {
	tp.s.T.Helper()
	if n := tp.Something(); n.Raw != FrameOf(tp.Tr, it) {
		tp.s.T.Fatalf("%s %s %.80q %+v came instead of item %s", n.Kind, n.Id, n.Raw, n.Gap, it.ID)
	}
}

// Rest reads to the end.
func (tp *Tap) Rest() ([]byte, error) {
	tp.Conn.SetReadDeadline(time.Now().Add(2 * Patience))
	for tp.Ended == nil {
		tp.read(32 << 10)
	}
	return tp.Buf, tp.Ended
}

// Reset closes the connection without a goodbye.
func (tp *Tap) Reset() {
	tp.Conn.SetLinger(0)
	tp.Conn.Close()
}

// FrameOf returns the bytes of an item on a transport.
func FrameOf(tr Transport, it *stream.Item) string {
	switch {
	case tr.Name == "ndjson":
		return string(wire.AppendLine(nil, it))
	case tr.plain:
		return string(wire.AppendSSE(nil, it))
	default:
		return string(wire.AppendSSEEnvelope(nil, it))
	}
}

// Publish publishes past HTTP, and returns the items.
func (s *Server) Publish(feed string, drafts ...stream.Draft) []*stream.Item {
	s.T.Helper()
	r, err := s.Hub.Publish(context.Background(), stream.Batch{Feed: feed, Drafts: drafts})
	if err != nil {
		s.T.Fatal(err)
	}
	items := make([]*stream.Item, len(drafts))
	for i, d := range drafts {
		id := r.First + stream.ID(i)
		items[i] = &stream.Item{ID: id, Feed: feed, Event: d.Event, Time: id.Time(), JSON: d.JSON, Data: d.Data}
	}
	return items
}

// Text publishes one item of text.
func (s *Server) Text(feed, data string) *stream.Item {
	s.T.Helper()
	return s.Publish(feed, stream.Draft{Data: []byte(data)})[0]
}

// Taps are the transports that a tap knows.
var Taps = []Transport{SseTransport, envelopeTransport, NdjsonTransport}
