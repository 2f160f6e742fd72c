package scan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

const (
	headOK     = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
	headChunks = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	headLines  = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n"
)

// happening is an event as a test sees it: what it is, and the position behind
// it.
type happening struct {
	What string
	ID   string
}

// readAll reads a response, cut into reads of the sizes that cut returns, and
// returns its events and the position at the end.
func readAll(in []byte, ndjson bool, cut func() int) (events []happening, position string, err error) {
	s := &Parser{}
	s.Lines.NDJSON = ndjson
	buf := make([]byte, Headroom+1<<16)
	for len(in) > 0 && err == nil {
		n := copy(buf[Headroom:Headroom+max(1, min(cut(), 1<<16))], in)
		in = in[n:]
		err = s.Take(buf, n, func(l *Lines) { events = append(events, happeningOf(l)) })
		if len(s.carry) >= lineHead && s.Answered {
			return nil, "", fmt.Errorf("%d bytes are carried", len(s.carry))
		}
	}
	return events, string(s.Lines.Position()), err
}

func happeningOf(l *Lines) happening {
	what := "other"
	switch {
	case l.Marked:
		what = fmt.Sprint("item ", l.Mark.Seq)
	case l.Gap:
		what = "gap"
	case l.Notice:
		what = "notice"
	}
	return happening{what, string(l.Position())}
}

func always(n int) func() int { return func() int { return n } }

// item is a mark of that number.
func item(seq uint64) string {
	return string(appendMark(nil, &Mark{Run: 5, Seq: seq, All: seq, At: 1e18}))
}

func TestEvents(t *testing.T) {
	long := strings.Repeat("x", 3*lineHead)
	for _, tc := range []struct {
		rule     string
		ndjson   bool
		in       string
		want     []happening
		position string
	}{
		{"the id may come last", false, "data: " + item(1) + "\nid: 7\n\n", []happening{{"item 1", "7"}}, "7"},
		{"the id may come first", false, "id: 7\ndata: " + item(1) + "\n\n", []happening{{"item 1", "7"}}, "7"},
		{"the space behind the colon is optional", false, "id:7\ndata:" + item(1) + "\n\n", []happening{{"item 1", "7"}}, "7"},
		{"lines may end in CRLF", false, "data: " + item(1) + "\r\nid: 7\r\n\r\n", []happening{{"item 1", "7"}}, "7"},
		{"a block of an id only moves the position", false, "retry: 1500\nid: 9\n\n", nil, "9"},
		{"an id without a value takes the position away", false, "id: 9\n\nid\n\n", nil, ""},
		{"the id stays where an event has none", false, "id: 9\n\ndata: " + item(1) + "\n\n", []happening{{"item 1", "9"}}, "9"},
		{"comments are no events", false, ":\n\n: hello\n\n", nil, ""},
		{"an event that is not ended is none", false, "id: 1\n\ndata: " + item(1) + "\nid: 2\n", nil, "1"},
		{"the mark may be in any data line", false, "data: {\ndata:  " + item(3) + "\ndata: }\n\n", []happening{{"item 3", ""}}, ""},
		{"the first mark counts", false, "data: ~~" + item(1) + item(2) + "\ndata: " + item(3) + "\n\n", []happening{{"item 1", ""}}, ""},
		{"a mark outside of data is none", false, ": " + item(1) + "\nevent: " + item(1) + "\ndata: x\n\n", []happening{{"other", ""}}, ""},
		{"fields are known by their whole name", false, "dat: x\n\ndatax: x\n\nidx: 4\n\n", nil, ""},
		{"an event named gap is a gap", false, "event: gap\ndata: {}\nid: 4\n\n", []happening{{"gap", "4"}}, "4"},
		{"an event named closing is a notice", false, "event: closing\ndata: {}\nretry: 3\nid: 4\n\n", []happening{{"notice", "4"}}, "4"},
		{"the name does not outlive its event", false, "event: gap\n\ndata: x\n\n", []happening{{"other", ""}}, ""},
		{"long lines are passed over behind their head", false, "data: " + item(1) + long + item(2) + "\nid: 3\n\n", []happening{{"item 1", "3"}}, "3"},
		{"an id that is too long is none", false, "id: 3\n\nid: " + long + "\n\n", nil, ""},

		{"a line is an item", true, `{"id":"5","feed":"x","data":{"bench":"` + item(1) + `"}}` + "\n", []happening{{"item 1", "5"}}, "5"},
		{"a line may have spaces, and an id that is a number", true, `{ "id": 5, "data": "` + item(1) + "\" }\n", []happening{{"item 1", "5"}}, "5"},
		{"a cursor moves the position", true, `{"cursor":"8"}` + "\n", nil, "8"},
		{"a gap is a gap", true, `{"gap":{"after":"1"}}` + "\n", []happening{{"gap", ""}}, ""},
		{"a closing is a notice", true, `{"closing":{"cursor":"1"}}` + "\n", []happening{{"notice", ""}}, ""},
		{"a line that is not ended is no event", true, `{"cursor":"8"}` + "\n" + `{"id":"9","data":"` + item(1) + `"}`, nil, "8"},
		{"empty lines are nothing", true, "\n\r\n", nil, ""},
		{"long lines count once", true, `{"id":"5","data":"` + item(1) + long + `"}` + "\n{\"a\":1}\n", []happening{{"item 1", "5"}, {"other", "5"}}, "5"},
	} {
		head := headOK
		if tc.ndjson {
			head = headLines
		}
		for _, step := range []int{1 << 16, 1, 2, 3, 5, 7, 64, lineHead - 1, lineHead, lineHead + 1} {
			events, position, err := readAll([]byte(head+tc.in), tc.ndjson, always(step))
			if err != nil || position != tc.position {
				t.Errorf("%s: reads of %d: position %q, %v; want %q", tc.rule, step, position, err, tc.position)
			}
			if diff := cmp.Diff(tc.want, events); diff != "" {
				t.Errorf("%s: reads of %d: %s", tc.rule, step, diff)
			}
		}
	}
}

func TestHead(t *testing.T) {
	const body = "data: x\n\n"
	for _, tc := range []struct {
		rule, in string
		events   int
		err      string
	}{
		{"chunks", headChunks + "9\r\n" + body + "\r\n", 1, ""},
		{"the end of chunks", headChunks + "9\r\n" + body + "\r\n0\r\n\r\n", 1, "EOF"},
		{"identity is until the connection closes", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: identity\r\n\r\n" + body, 1, ""},
		{"a body of known length ends", "HTTP/1.1 200\r\nContent-Type: text/event-stream\r\ncontent-length: 9\r\n\r\n" + body + body, 1, "EOF"},
		{"interim answers come before", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + headOK + body, 1, ""},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + body, 1, ""},
		{"another status", "HTTP/1.1 503 Service Unavailable\r\n\r\n" + body, 0, "the server answers 503 Service Unavailable"},
		{"another type", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body, 0, `the answer is of type "text/html", not a stream of the format asked for`},
		{"a compressed stream", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + body, 0, "the stream is compressed (gzip), which was not asked for"},
		{"another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + body, 0, `the transfer coding "gzip, chunked" is not known here`},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n", 0, errHead.Error()},
		{"a head without end", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", maxHead/6), 0, errHead.Error()},
	} {
		for _, step := range []int{1 << 16, 1, 7} {
			events, _, err := readAll([]byte(tc.in), false, always(step))
			if got := fmt.Sprint(err); got != tc.err && !(err == nil && tc.err == "") || len(events) != tc.events {
				t.Errorf("%s: reads of %d: %d events, %v; want %d, %q", tc.rule, step, len(events), err, tc.events, tc.err)
			}
		}
	}
}

func TestAConnectionThatBrokeLeavesOnlyItsPosition(t *testing.T) {
	s := new(Parser)
	buf := make([]byte, Headroom+1<<16)
	var got []happening
	for _, in := range []string{
		headChunks + "ff\r\nid: 1\n\ndata: " + item(1) + "\n",
		headOK + "\n\ndata: y\n\n",
	} {
		if err := s.Take(buf, copy(buf[Headroom:], in), func(l *Lines) { got = append(got, happeningOf(l)) }); err != nil {
			t.Fatal(err)
		}
		s.Restart()
	}
	if diff := cmp.Diff([]happening{{"other", "1"}}, got); diff != "" {
		t.Error(diff)
	}
}

// TestReadsWhatFeeddWrites: every format and framing, cut anywhere.
func TestReadsWhatFeeddWrites(t *testing.T) {
	formats := []struct {
		head   string
		ndjson bool
		open   func([]byte) []byte
		item   func([]byte, *stream.Item) []byte
		beat   func([]byte) []byte
	}{
		{headOK, false, opening, wire.AppendSSE, wire.AppendSSEComment},
		{headOK, false, opening, wire.AppendSSEEnvelope, wire.AppendSSEComment},
		{headLines, true, cursorLine, wire.AppendLine, cursorLine},
	}
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(formats).Draw(t, "format")
		body := f.open(nil)
		position, want := "1", []happening(nil)
		for i := range rapid.IntRange(0, 8).Draw(t, "items") {
			data, err := newPayload(rapid.IntRange(MinSize, 3000).Draw(t, "size"))
			if err != nil {
				t.Fatal(err)
			}
			seq := uint64(i + 1)
			SetMark(data, &Mark{Seq: seq})
			it := &stream.Item{ID: stream.ID(100 + i), Feed: "bench", Time: time.Unix(1, 0), JSON: rapid.Bool().Draw(t, "json"), Data: data}
			position = it.ID.String()
			want = append(want, happening{fmt.Sprint("item ", seq), position})
			body = f.item(body, it)
			if rapid.Bool().Draw(t, "beat") {
				body = f.beat(body)
				if f.ndjson {
					position = "1"
				}
			}
		}
		in := []byte(f.head + string(body))
		if rapid.Bool().Draw(t, "chunked") {
			in = chunkUp(f.head, body, func() int { return rapid.IntRange(1, 4000).Draw(t, "chunk") })
		}
		events, at, err := readAll(in, f.ndjson, func() int { return rapid.IntRange(1, 2000).Draw(t, "read") })
		if err != nil || at != position {
			t.Fatalf("position %q, %v; want %q", at, err, position)
		}
		if diff := cmp.Diff(want, events); diff != "" {
			t.Fatal(diff)
		}
	})
}

func opening(b []byte) []byte    { return wire.AppendSSEOpening(b, 1, time.Second) }
func cursorLine(b []byte) []byte { return wire.AppendCursorLine(b, 1) }

// chunkUp is a response with the body in chunks, not ended.
func chunkUp(head string, body []byte, size func() int) []byte {
	var b bytes.Buffer
	b.WriteString(strings.Replace(head, "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n", 1))
	w := httputil.NewChunkedWriter(&b)
	for len(body) > 0 {
		n, _ := w.Write(body[:min(size(), len(body))])
		body = body[n:]
	}
	return b.Bytes()
}

// FuzzStream: a response gives the same events and the same position however
// it is cut into reads, and in chunks too.
func FuzzStream(f *testing.F) {
	f.Add([]byte("data: "+item(1)+"\nid: 7\n\n:\n\n"), false, []byte{1, 5, 60})
	f.Add([]byte(`{"id":"5","data":"`+item(1)+`"}`+"\n"), true, []byte{3})
	f.Add([]byte("data: "+strings.Repeat("x", 2*lineHead)+item(1)+"\r\n\r\nid\n\n"), false, []byte{250, 250, 250, 250, 7})
	f.Fuzz(func(t *testing.T, body []byte, ndjson bool, cuts []byte) {
		head := headOK
		if ndjson {
			head = headLines
		}
		at := 0
		cut := func() int {
			if len(cuts) == 0 {
				return 13
			}
			at++
			return 1 + int(cuts[at%len(cuts)])*7
		}
		want, position, err := readAll([]byte(head+string(body)), ndjson, always(1<<16))
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range [][]byte{[]byte(head + string(body)), chunkUp(head, body, cut)} {
			events, again, err := readAll(in, ndjson, cut)
			if err != nil && !errors.Is(err, io.EOF) || again != position {
				t.Fatalf("position %q, %v; want %q", again, err, position)
			}
			if diff := cmp.Diff(want, events); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func BenchmarkTake(b *testing.B) {
	payload, err := newPayload(128)
	if err != nil {
		b.Fatal(err)
	}
	it := &stream.Item{ID: 1763792000000001, Feed: "bench", JSON: true, Data: payload}
	var body []byte
	for range 256 {
		body = wire.AppendSSE(body, it)
	}
	event := len(body) / 256
	for _, in := range []struct {
		name string
		text []byte
	}{
		{"identity", []byte(headOK + string(body))},
		{"chunked", chunkUp(headOK, body, func() int { return event })},
	} {
		b.Run(in.name, func(b *testing.B) {
			var s Parser
			buf := make([]byte, Headroom+1<<16)
			b.ReportAllocs()
			events := 0
			emit := func(*Lines) { events++ }
			for b.Loop() {
				s.Restart()
				if err := s.Take(buf, copy(buf[Headroom:], in.text), emit); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
		})
	}
}
