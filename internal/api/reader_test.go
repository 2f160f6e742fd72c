package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// note is one thing that a reader is told, on whatever transport.
type note struct {
	kind  kind
	id    string // the position that it leaves the reader at, "" for none
	feed  string // "" where the transport does not say
	event string
	data  string // JSON, or text
	text  bool   // data is text; plain SSE does not say
	gap   *gap
	retry string
	raw   string // the bytes of a stream
	why   string // of a closing
}

type kind string

const (
	opening  kind = "opening" // or another position that is not an item's
	anItem   kind = "item"    //
	aGap     kind = "gap"     //
	closing  kind = "closing" //
	aComment kind = "comment" //
	ended    kind = "the end" // clean
	broken   kind = "cut off" // not clean
)

// reader reads from one subscriber's answer. It fails the test when nothing
// comes in time.
type reader struct {
	t      testing.TB
	resp   *http.Response
	next   func() note
	cancel context.CancelFunc
	first  string // the position of the opening
}

func (r *reader) close() {
	r.cancel()
	if r.resp != nil {
		r.resp.Body.Close()
	}
}

// transport is a way to read a feed.
type transport struct {
	name string
	// open reads path, a selector and a query, from its start on.
	open func(s *server, path string, headers ...string) *reader
	// streams says that there is an opening, that pages do not have.
	streams bool
	plain   bool // tells neither feed nor kind
}

var (
	sseTransport      = transport{"sse", openSSE, true, true}
	envelopeTransport = transport{"sse-envelope", openEnvelopes, true, false}
	framesTransport   = transport{"sse-frames", openFrames, true, false}
	ndjsonTransport   = transport{"ndjson", openNDJSON, true, false}
	socketTransport   = transport{"websocket", openSocket, true, false}
	pagesTransport    = transport{"pages", openPages, false, false}

	streams    = []transport{sseTransport, envelopeTransport, framesTransport, ndjsonTransport, socketTransport}
	transports = append(slices.Clone(streams), pagesTransport)
)

// onTransports runs a test on each transport.
func onTransports(t *testing.T, test func(t *testing.T, tr transport)) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) { test(t, tr) })
	}
}

// everywhere runs a test on each engine and transport, on a server of its own.
// On SQLite, which takes long to open, a stream and pages have to do: what an
// engine gives does not depend on how it is encoded.
func everywhere(t *testing.T, test func(t *testing.T, d deployment, tr transport)) {
	onEngines(t, func(t *testing.T, d deployment) {
		these := transports
		if !d.memory {
			these = []transport{sseTransport, socketTransport, pagesTransport}
		}
		for _, tr := range these {
			t.Run(tr.name, func(t *testing.T) { test(t, d, tr) })
		}
	})
}

// openStream asks for a stream and checks what every one begins with.
func openStream(s *server, path, accept string, headers ...string) (*reader, *bufio.Reader) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), streamLife)
	req := s.request(ctx, "GET", "/feeds/"+path, nil, append([]string{"Accept: " + accept}, headers...)...)
	resp, err := s.client.Do(req)
	if err != nil {
		cancel()
		s.t.Fatalf("GET %s: %v", path, err)
	}
	r := &reader{t: s.t, resp: resp, cancel: cancel}
	s.t.Cleanup(r.close)
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || ct != accept {
		body, _ := io.ReadAll(resp.Body)
		s.t.Fatalf("GET %s: status %d, content type %q: %s", path, resp.StatusCode, ct, body)
	}
	return r, bufio.NewReader(resp.Body)
}

func openSSE(s *server, path string, headers ...string) *reader {
	s.t.Helper()
	r, in := openStream(s, path, "text/event-stream", headers...)
	r.next = newSSE(in).note
	r.begin()
	return r
}

func openEnvelopes(s *server, path string, headers ...string) *reader {
	s.t.Helper()
	r, in := openStream(s, with(path, "envelope=true"), "text/event-stream", headers...)
	sse := newSSE(in)
	r.next = func() note {
		n := sse.note()
		if n.kind != anItem {
			return n
		}
		var it item
		if err := json.Unmarshal([]byte(n.data), &it); err != nil {
			s.t.Fatalf("%v in %q", err, n.data)
		}
		if it.ID != n.id || it.Event != n.event {
			s.t.Fatalf("the envelope %s stands in an event with id %s, name %q", n.data, n.id, n.event)
		}
		n.feed = it.Feed
		n.data, n.text = plainData(it.Data)
		return n
	}
	r.begin()
	return r
}

// openFrames reads events that are all messages, and their data frames.
func openFrames(s *server, path string, headers ...string) *reader {
	s.t.Helper()
	r, in := openStream(s, with(path, "envelope=all"), "text/event-stream", headers...)
	sse := newSSE(in)
	r.next = func() note {
		e := sse.note()
		if e.kind == ended || e.kind == broken {
			return e
		}
		n := noteOf(s.t, e.data)
		if e.kind != anItem || e.event != "" || e.id != n.id {
			s.t.Fatalf("the frame is not a message with its own id: %q", e.raw)
		}
		if n.retry != "" && n.retry != e.retry || e.retry != "" && e.id == "" && n.kind != closing {
			s.t.Fatalf("retry is told in another way: %q", e.raw)
		}
		n.raw, n.retry = e.raw, e.retry
		return n
	}
	r.begin()
	return r
}

func openNDJSON(s *server, path string, headers ...string) *reader {
	s.t.Helper()
	r, in := openStream(s, path, "application/x-ndjson", headers...)
	r.next = func() note { return lineNote(s.t, in) }
	r.begin()
	return r
}

// begin takes the opening off a stream. A refusal has none.
func (r *reader) begin() {
	r.t.Helper()
	n := r.next()
	if n.kind == opening {
		r.first = n.id
		return
	}
	next, first := r.next, true
	r.next = func() note {
		if first {
			first = false
			return n
		}
		return next()
	}
}

func with(path, param string) string {
	if strings.Contains(path, "?") {
		return path + "&" + param
	}
	return path + "?" + param
}

// openPages polls, each page from the cursor of the one before.
func openPages(s *server, path string, headers ...string) *reader {
	s.t.Helper()
	headers = slices.Clone(headers)
	r := &reader{t: s.t, cancel: func() {}}
	selector, rawQuery, _ := strings.Cut(path, "?")
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		s.t.Fatal(err)
	}
	var notes []note
	ask := func(wait string) {
		// Without a start a stream is live, and a page the newest items.
		if !query.Has("since") && !query.Has("last") && !query.Has("last_event_id") && !slices.ContainsFunc(headers, isPosition) {
			query.Set("since", "now")
		}
		query.Set("wait", wait)
		query.Set("limit", "3")
		p := s.page(selector+"?"+query.Encode(), headers...)
		if p.Gap != nil {
			notes = append(notes, note{kind: aGap, gap: p.Gap, id: p.Cursor})
		}
		for _, it := range p.Items {
			n := note{kind: anItem, id: it.ID, feed: it.Feed, event: it.Event}
			n.data, n.text = plainData(it.Data)
			notes = append(notes, n)
		}
		headers = slices.DeleteFunc(headers, isPosition)
		query.Del("since")
		query.Del("last")
		query.Set("last_event_id", p.Cursor)
	}
	ask("0s")
	r.next = func() note {
		for end := time.Now().Add(patience); len(notes) == 0; {
			if time.Now().After(end) {
				return note{kind: broken}
			}
			ask("1s")
		}
		n := notes[0]
		notes = notes[1:]
		return n
	}
	return r
}

func isPosition(header string) bool { return strings.HasPrefix(header, "Last-Event-ID:") }

// plainData returns the data of an envelope, and whether it is text.
func plainData(raw json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(raw, &text) == nil && raw[0] == '"' {
		return text, true
	}
	return string(raw), false
}

// item returns the next item; comments and positions may come before it.
func (r *reader) item() note {
	r.t.Helper()
	n := r.something()
	if n.kind != anItem {
		r.t.Fatalf("%s came instead of an item: %+v", n.kind, n)
	}
	return n
}

// something returns the next note that is no sign of life.
func (r *reader) something() note {
	r.t.Helper()
	for {
		if n := r.next(); n.kind != aComment && n.kind != opening {
			return n
		}
	}
}

// mustGap returns the next note, which must be a gap.
func (r *reader) mustGap(reason string) *gap {
	r.t.Helper()
	n := r.something()
	if n.kind != aGap {
		r.t.Fatalf("%s came instead of a gap: %+v", n.kind, n)
	}
	if n.gap.Reason != reason {
		r.t.Fatalf("the gap's reason is %q, want %q: %+v", n.gap.Reason, reason, n.gap)
	}
	if r.resp != nil && n.id == "" {
		r.t.Fatalf("a gap without an id: %q", n.raw)
	}
	return n.gap
}

// mustItems fails the test unless these data come next.
func (r *reader) mustItems(data ...string) {
	r.t.Helper()
	for i, want := range data {
		n := r.something()
		if n.kind != anItem || n.data != want {
			r.t.Fatalf("note %d is %s %q %+v, want the item %q", i, n.kind, n.data, n.gap, want)
		}
	}
}

// lineNote reads a line of NDJSON.
func lineNote(t testing.TB, in *bufio.Reader) note {
	t.Helper()
	line, err := in.ReadString('\n')
	if err != nil {
		return note{kind: endOf(err, line)}
	}
	return noteOf(t, line)
}

// noteOf reads a line, or a frame.
func noteOf(t testing.TB, line string) note {
	t.Helper()
	var l struct {
		item
		Cursor  string
		Gap     *gap
		Closing *struct {
			Reason, Cursor string
			Retry          json.Number
		}
	}
	if err := json.Unmarshal([]byte(line), &l); err != nil {
		t.Fatalf("%v in the line %q", err, line)
	}
	n := note{raw: line}
	switch {
	case l.Data != nil:
		n.kind, n.id, n.feed, n.event = anItem, l.ID, l.Feed, l.Event
		n.data, n.text = plainData(l.Data)
	case l.Gap != nil:
		n.kind, n.gap, n.id = aGap, l.Gap, l.Cursor
	case l.Closing != nil:
		n.kind, n.id, n.retry, n.why = closing, l.Closing.Cursor, l.Closing.Retry.String(), l.Closing.Reason
	default:
		n.kind, n.id = opening, l.Cursor
	}
	return n
}

func endOf(err error, rest string) kind {
	if isEOF(err) && rest == "" {
		return ended
	}
	return broken
}

// sse reads an event stream as the HTML standard says (9.2.6), and nothing of
// it is feedd's.
type sse struct {
	in     *bufio.Reader
	skipLF bool
	lastID string
}

func newSSE(in *bufio.Reader) *sse { return &sse{in: in} }

// line reads to a CR, LF or CRLF.
func (e *sse) line() (line, raw string, err error) {
	var b []byte
	for {
		c, err := e.in.ReadByte()
		if err != nil {
			return string(b), string(b), err
		}
		if c == '\n' && e.skipLF {
			e.skipLF = false
			continue
		}
		e.skipLF = c == '\r'
		if c == '\n' || c == '\r' {
			return string(b), string(b) + string(c), nil
		}
		b = append(b, c)
	}
}

// note reads a block, up to and with its blank line.
func (e *sse) note() note {
	var n note
	var data strings.Builder
	hasData, comment := false, false
	for {
		line, raw, err := e.line()
		n.raw += raw
		if err != nil {
			return note{kind: endOf(err, n.raw), raw: n.raw}
		}
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "":
			comment = true
		case "event":
			n.event = value
		case "data":
			hasData = true
			data.WriteString(value + "\n")
		case "id":
			if !strings.Contains(value, "\x00") {
				n.id = value
			}
		case "retry":
			n.retry = value
		}
	}
	if n.id != "" {
		e.lastID = n.id
	}
	n.data = strings.TrimSuffix(data.String(), "\n")
	switch {
	case !hasData && comment && n.id == "":
		n.kind = aComment
	case !hasData:
		n.kind = opening
	case n.event == "gap":
		n.kind, n.gap = aGap, new(gap)
		if err := json.Unmarshal([]byte(n.data), n.gap); err != nil {
			panic(fmt.Sprintf("%v in %q", err, n.data))
		}
	case n.event == "closing":
		n.kind = closing
		var c struct{ Reason string }
		if err := json.Unmarshal([]byte(n.data), &c); err != nil {
			panic(fmt.Sprintf("%v in %q", err, n.data))
		}
		n.why = c.Reason
	default:
		n.kind = anItem
	}
	return n
}
