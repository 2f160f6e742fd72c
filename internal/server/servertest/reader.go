package servertest

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

	"feedd/internal/stream"
)

// Note is one thing that a reader is told, on whatever transport.
type Note struct {
	Kind  Kind
	Id    string // the position that it leaves the reader at, "" for none
	Feed  string // "" where the transport does not say
	Event string
	Data  string // JSON, or text
	text  bool   // data is text; plain SSE does not say
	Gap   *Gap
	Retry string
	Raw   string // the bytes of a stream
	Why   string // of a closing
}

type Kind string

const (
	Opening  Kind = "opening" // or another position that is not an item's
	AnItem   Kind = "item"    //
	AGap     Kind = "gap"     //
	Closing  Kind = "closing" //
	AComment Kind = "comment" //
	Ended    Kind = "the end" // clean
	Broken   Kind = "cut off" // not clean
)

// Reader reads from one subscriber's answer. It fails the test when nothing
// comes in time.
type Reader struct {
	t      testing.TB
	Resp   *http.Response
	Next   func() Note
	cancel context.CancelFunc
	First  string // the position of the opening
}

func (r *Reader) Close() {
	r.cancel()
	if r.Resp != nil {
		r.Resp.Body.Close()
	}
}

// Transport is a way to read a feed.
type Transport struct {
	Name string
	// open reads path, a selector and a query, from its start on.
	Open func(s *Server, path string, headers ...string) *Reader
	// streams says that there is an opening, that pages do not have.
	Streams bool
	plain   bool // tells neither feed nor kind
}

var (
	SseTransport      = Transport{"sse", OpenSSE, true, true}
	envelopeTransport = Transport{"sse-envelope", openEnvelopes, true, false}
	FramesTransport   = Transport{"sse-frames", openFrames, true, false}
	NdjsonTransport   = Transport{"ndjson", OpenNDJSON, true, false}
	SocketTransport   = Transport{"websocket", OpenSocket, true, false}
	PagesTransport    = Transport{"pages", openPages, false, false}

	Streams    = []Transport{SseTransport, envelopeTransport, FramesTransport, NdjsonTransport, SocketTransport}
	Transports = append(slices.Clone(Streams), PagesTransport)
)

// OnTransports runs a test on each transport.
func OnTransports(t *testing.T, test func(t *testing.T, tr Transport)) {
	for _, tr := range Transports {
		t.Run(tr.Name, func(t *testing.T) { test(t, tr) })
	}
}

// Everywhere runs a test on each engine and transport, on a server of its own.
// On SQLite, which takes long to open, a stream and pages have to do: what an
// engine gives does not depend on how it is encoded.
func Everywhere(t *testing.T, test func(t *testing.T, d Deployment, tr Transport)) {
	OnEngines(t, func(t *testing.T, d Deployment) {
		these := Transports
		if !d.Memory {
			these = []Transport{SseTransport, SocketTransport, PagesTransport}
		}
		for _, tr := range these {
			t.Run(tr.Name, func(t *testing.T) { test(t, d, tr) })
		}
	})
}

// OpenStream asks for a stream and checks what every one begins with.
func OpenStream(s *Server, path, accept string, headers ...string) (*Reader, *bufio.Reader) {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), StreamLife)
	req := s.Request(ctx, "GET", "/feeds/"+path, nil, append([]string{"Accept: " + accept}, headers...)...)
	resp, err := s.Client.Do(req)
	if err != nil {
		cancel()
		s.T.Fatalf("GET %s: %v", path, err)
	}
	r := &Reader{t: s.T, Resp: resp, cancel: cancel}
	s.T.Cleanup(r.Close)
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || ct != accept {
		body, _ := io.ReadAll(resp.Body)
		s.T.Fatalf("GET %s: status %d, content type %q: %s", path, resp.StatusCode, ct, body)
	}
	return r, bufio.NewReader(resp.Body)
}

func OpenSSE(s *Server, path string, headers ...string) *Reader {
	s.T.Helper()
	r, in := OpenStream(s, path, "text/event-stream", headers...)
	r.Next = NewSSE(in).Note
	r.begin()
	return r
}

func openEnvelopes(s *Server, path string, headers ...string) *Reader {
	s.T.Helper()
	r, in := OpenStream(s, With(path, "envelope=true"), "text/event-stream", headers...)
	sse := NewSSE(in)
	r.Next = func() Note {
		n := sse.Note()
		if n.Kind != AnItem {
			return n
		}
		var it Item
		if err := json.Unmarshal([]byte(n.Data), &it); err != nil {
			s.T.Fatalf("%v in %q", err, n.Data)
		}
		if it.ID != n.Id || it.Event != n.Event {
			s.T.Fatalf("the envelope %s stands in an event with id %s, name %q", n.Data, n.Id, n.Event)
		}
		n.Feed = it.Feed
		n.Data, n.text = plainData(it.Data)
		return n
	}
	r.begin()
	return r
}

// openFrames reads events that are all messages, and their data frames.
func openFrames(s *Server, path string, headers ...string) *Reader {
	s.T.Helper()
	r, in := OpenStream(s, With(path, "envelope=all"), "text/event-stream", headers...)
	sse := NewSSE(in)
	r.Next = func() Note {
		e := sse.Note()
		if e.Kind == Ended || e.Kind == Broken {
			return e
		}
		n := NoteOf(s.T, e.Data)
		if e.Kind != AnItem || e.Event != "" || e.Id != n.Id {
			s.T.Fatalf("the frame is not a message with its own id: %q", e.Raw)
		}
		if n.Retry != "" && n.Retry != e.Retry || e.Retry != "" && e.Id == "" && n.Kind != Closing {
			s.T.Fatalf("retry is told in another way: %q", e.Raw)
		}
		n.Raw, n.Retry = e.Raw, e.Retry
		return n
	}
	r.begin()
	return r
}

func OpenNDJSON(s *Server, path string, headers ...string) *Reader {
	s.T.Helper()
	r, in := OpenStream(s, path, "application/x-ndjson", headers...)
	r.Next = func() Note { return lineNote(s.T, in) }
	r.begin()
	return r
}

// begin takes the opening off a stream. A refusal has none.
func (r *Reader) begin() {
	r.t.Helper()
	n := r.Next()
	if n.Kind == Opening {
		r.First = n.Id
		return
	}
	next, first := r.Next, true
	r.Next = func() Note {
		if first {
			first = false
			return n
		}
		return next()
	}
}

func With(path, param string) string {
	if strings.Contains(path, "?") {
		return path + "&" + param
	}
	return path + "?" + param
}

// openPages polls, each page from the cursor of the one before.
func openPages(s *Server, path string, headers ...string) *Reader {
	s.T.Helper()
	headers = slices.Clone(headers)
	r := &Reader{t: s.T, cancel: func() {}}
	selector, rawQuery, _ := strings.Cut(path, "?")
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		s.T.Fatal(err)
	}
	var notes []Note
	ask := func(wait string) {
		// Without a start a stream is live, and a page the newest items.
		if !query.Has("since") && !query.Has("last") && !query.Has("last_event_id") && !slices.ContainsFunc(headers, isPosition) {
			query.Set("since", "now")
		}
		query.Set("wait", wait)
		query.Set("limit", "3")
		p := s.Page(selector+"?"+query.Encode(), headers...)
		if p.Gap != nil {
			notes = append(notes, Note{Kind: AGap, Gap: p.Gap, Id: p.Cursor})
		}
		for _, it := range p.Items {
			n := Note{Kind: AnItem, Id: it.ID, Feed: it.Feed, Event: it.Event}
			n.Data, n.text = plainData(it.Data)
			notes = append(notes, n)
		}
		headers = slices.DeleteFunc(headers, isPosition)
		query.Del("since")
		query.Del("last")
		query.Set("last_event_id", p.Cursor)
	}
	ask("0s")
	r.Next = func() Note {
		for end := time.Now().Add(Patience); len(notes) == 0; {
			if time.Now().After(end) {
				return Note{Kind: Broken}
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

// Item returns the next item; comments and positions may come before it.
func (r *Reader) Item() Note {
	r.t.Helper()
	n := r.Something()
	if n.Kind != AnItem {
		r.t.Fatalf("%s came instead of an item: %+v", n.Kind, n)
	}
	return n
}

// Something returns the next note that is no sign of life.
func (r *Reader) Something() Note {
	r.t.Helper()
	for {
		if n := r.Next(); n.Kind != AComment && n.Kind != Opening {
			return n
		}
	}
}

// MustGap returns the next note, which must be a gap.
func (r *Reader) MustGap(reason string) *Gap {
	r.t.Helper()
	n := r.Something()
	if n.Kind != AGap {
		r.t.Fatalf("%s came instead of a gap: %+v", n.Kind, n)
	}
	if n.Gap.Reason != reason {
		r.t.Fatalf("the gap's reason is %q, want %q: %+v", n.Gap.Reason, reason, n.Gap)
	}
	if r.Resp != nil && n.Id == "" {
		r.t.Fatalf("a gap without an id: %q", n.Raw)
	}
	return n.Gap
}

// MustItems fails the test unless these data come next.
func (r *Reader) MustItems(data ...string) {
	r.t.Helper()
	for i, want := range data {
		n := r.Something()
		if n.Kind != AnItem || n.Data != want {
			r.t.Fatalf("note %d is %s %q %+v, want the item %q", i, n.Kind, n.Data, n.Gap, want)
		}
	}
}

// lineNote reads a line of NDJSON.
func lineNote(t testing.TB, in *bufio.Reader) Note {
	t.Helper()
	line, err := in.ReadString('\n')
	if err != nil {
		return Note{Kind: endOf(err, line)}
	}
	return NoteOf(t, line)
}

// NoteOf reads a line, or a frame.
func NoteOf(t testing.TB, line string) Note {
	t.Helper()
	var l struct {
		Item
		Cursor  string
		Gap     *Gap
		Closing *struct {
			Reason, Cursor string
			Retry          json.Number
		}
	}
	if err := json.Unmarshal([]byte(line), &l); err != nil {
		t.Fatalf("%v in the line %q", err, line)
	}
	n := Note{Raw: line}
	switch {
	case l.Data != nil:
		n.Kind, n.Id, n.Feed, n.Event = AnItem, l.ID, l.Feed, l.Event
		n.Data, n.text = plainData(l.Data)
	case l.Gap != nil:
		n.Kind, n.Gap, n.Id = AGap, l.Gap, l.Cursor
	case l.Closing != nil:
		n.Kind, n.Id, n.Retry, n.Why = Closing, l.Closing.Cursor, l.Closing.Retry.String(), l.Closing.Reason
	default:
		n.Kind, n.Id = Opening, l.Cursor
	}
	return n
}

func endOf(err error, rest string) Kind {
	if IsEOF(err) && rest == "" {
		return Ended
	}
	return Broken
}

// sse reads an event stream as the HTML standard says (9.2.6), and nothing of
// it is feedd's.
type sse struct {
	in     *bufio.Reader
	skipLF bool
	LastID string
}

func NewSSE(in *bufio.Reader) *sse { return &sse{in: in} }

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

// Note reads a block, up to and with its blank line.
func (e *sse) Note() Note {
	var n Note
	var data strings.Builder
	hasData, comment := false, false
	for {
		line, raw, err := e.line()
		n.Raw += raw
		if err != nil {
			return Note{Kind: endOf(err, n.Raw), Raw: n.Raw}
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
			n.Event = value
		case "data":
			hasData = true
			data.WriteString(value + "\n")
		case "id":
			if !strings.Contains(value, "\x00") {
				n.Id = value
			}
		case "retry":
			n.Retry = value
		}
	}
	if n.Id != "" {
		e.LastID = n.Id
	}
	n.Data = strings.TrimSuffix(data.String(), "\n")
	switch {
	case !hasData && comment && n.Id == "":
		n.Kind = AComment
	case !hasData:
		n.Kind = Opening
	case n.Event == "gap":
		n.Kind, n.Gap = AGap, new(Gap)
		if err := json.Unmarshal([]byte(n.Data), n.Gap); err != nil {
			panic(fmt.Sprintf("%v in %q", err, n.Data))
		}
	case n.Event == "closing":
		n.Kind = Closing
		var c struct{ Reason string }
		if err := json.Unmarshal([]byte(n.Data), &c); err != nil {
			panic(fmt.Sprintf("%v in %q", err, n.Data))
		}
		n.Why = c.Reason
	default:
		n.Kind = AnItem
	}
	return n
}

// Keep bounds each feed to a number of items.
func Keep(items int) stream.StoreOptions {
	return stream.StoreOptions{Retention: func(string) stream.Retention { return stream.Retention{MaxItems: items} }}
}

// Until returns what comes, up to an item with these data.
func (r *Reader) Until(data string) []string {
	r.t.Helper()
	var list []string
	for {
		n := r.Something()
		switch n.Kind {
		case AnItem:
			list = append(list, n.Data)
			if n.Data == data {
				return list
			}
		case AGap:
			list = append(list, "gap "+n.Gap.Reason)
		default:
			r.t.Fatalf("%s came before %q, after %q", n.Kind, data, list)
		}
	}
}

// Envelope is an item as every transport but plain SSE prints it.
func Envelope(s *Server, id string) string {
	s.T.Helper()
	for _, it := range s.Page("f?since=all").Items {
		if it.ID != id {
			continue
		}
		event := ""
		if it.Event != "" {
			event = `,"event":"` + it.Event + `"`
		}
		return `{"id":"` + id + `","feed":"f"` + event + `,"time":"` + it.Time + `","data":` + string(it.Data) + `}`
	}
	s.T.Fatalf("no item %s", id)
	return ""
}
