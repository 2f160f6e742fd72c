package wire_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"feedd/internal/stream"
	"feedd/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func TestAppendSSE(t *testing.T) {
	const id = "id: 1763792000000001\n\n"
	for _, tc := range []struct {
		rule string
		item *stream.Item
		want string
	}{
		{"an item without a name has no event line", textItem("hello"), "data: hello\n" + id},
		{"a named item has its event line first", named(jsonItem(`{"a":1}`), "goal"), "event: goal\ndata: {\"a\":1}\n" + id},
		{"LF splits lines", textItem("a\nb"), "data: a\ndata: b\n" + id},
		{"CR splits lines", textItem("a\rb"), "data: a\ndata: b\n" + id},
		{"CRLF is one line end", textItem("a\r\nb"), "data: a\ndata: b\n" + id},
		{"CR CRLF are two line ends", textItem("a\r\r\nb"), "data: a\ndata: \ndata: b\n" + id},
		{"LF CR are two line ends", textItem("a\n\rb"), "data: a\ndata: \ndata: b\n" + id},
		{"data ending in LF has a last empty line", textItem("a\n"), "data: a\ndata: \n" + id},
		{"data ending in CR has a last empty line", textItem("a\r"), "data: a\ndata: \n" + id},
		{"data ending in CRLF has one last empty line", textItem("a\r\n"), "data: a\ndata: \n" + id},
		{"a newline alone is two empty lines", textItem("\n"), "data: \ndata: \n" + id},
		{"a leading space survives the one that is always written", textItem(" a"), "data:  a\n" + id},
		{"a newline in the data injects no field", textItem("a\nid: 7\n\nevent: gap"),
			"data: a\ndata: id: 7\ndata: \ndata: event: gap\n" + id},
		{"U+2028 is no line end", textItem("a\u2028b"), "data: a\u2028b\n" + id},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			wantBytes(t, wire.AppendSSE(nil, tc.item), tc.want)
		})
	}
}

func TestAppendSSEEnvelope(t *testing.T) {
	wantBytes(t, wire.AppendSSEEnvelope([]byte("x"), named(textItem("a\nb"), "goal")),
		"xevent: goal\n"+
			`data: {"id":"1763792000000001","feed":"news","event":"goal","time":"2026-11-22T06:13:20.000001Z","data":"a\nb"}`+"\n"+
			"id: 1763792000000001\n\n")
}

func TestSSEBlocks(t *testing.T) {
	gap := &stream.Gap{After: "5", Through: 9, Oldest: 12, Reason: stream.Trimmed, Feeds: []string{"a"}, ID: 9}
	for _, tc := range []struct {
		rule string
		got  []byte
		want string
	}{
		{"the opening sets retry and position", wire.AppendSSEOpening(nil, 7, 2*time.Second), "retry: 2000\nid: 7\n\n"},
		{"a retry has digits only", wire.AppendSSEOpening(nil, 7, -time.Second), "retry: 0\nid: 7\n\n"},
		{"a position is an id alone", wire.AppendSSEPosition(nil, 7), "id: 7\n\n"},
		{"a comment is a colon", wire.AppendSSEComment(nil), ":\n\n"},
		{"a gap has its position", wire.AppendSSEGap(nil, gap),
			"event: gap\ndata: {\"after\":\"5\",\"through\":\"9\",\"oldest\":\"12\",\"reason\":\"trimmed\",\"feeds\":[\"a\"]}\nid: 9\n\n"},
		{"a closing is one block", wire.AppendSSEClosing(nil, stream.Closing{Reason: "draining", Cursor: 7, Retry: 1500 * time.Millisecond}),
			"event: closing\ndata: {\"reason\":\"draining\",\"cursor\":\"7\",\"retry\":1500}\nretry: 1500\nid: 7\n\n"},
		{"a closing without a position has no id", wire.AppendSSEClosing(nil, stream.Closing{Reason: "draining", Retry: time.Second}),
			"event: closing\ndata: {\"reason\":\"draining\",\"retry\":1000}\nretry: 1000\n\n"},
	} {
		t.Run(tc.rule, func(t *testing.T) { wantBytes(t, tc.got, tc.want) })
	}
}

// TestP3_CutEventMovesNothing: with the id last, a stream that is cut anywhere
// gives a reader either the whole event with its id, or neither.
func TestP3_CutEventMovesNothing(t *testing.T) {
	for _, event := range [][]byte{
		wire.AppendSSE(nil, named(textItem("a\nb\r\n"), "goal")),
		wire.AppendSSEEnvelope(nil, named(jsonItem(`{"a":1}`), "goal")),
		wire.AppendSSEGap(nil, &stream.Gap{After: "5", Through: 9, ID: 9}),
		wire.AppendSSEClosing(nil, stream.Closing{Cursor: 9}),
	} {
		for n := range len(event) {
			if events, id := readSSE(event[:n]); len(events) > 0 || id != "" {
				t.Errorf("cut after %q: events %v, id %q", event[:n], events, id)
			}
		}
		// Lenient clients take the id from its line, before the block's end.
		if at := bytes.LastIndex(event, []byte("\nid: ")); bytes.IndexByte(event[at+1:], '\n') != len(event[at+1:])-2 {
			t.Errorf("something stands behind the id: %q", event)
		}
	}
}

func TestSSENoticesReadBack(t *testing.T) {
	b := wire.AppendSSEOpening(nil, 3, 2*time.Second)
	b = wire.AppendSSEComment(b)
	b = wire.AppendSSEGap(b, &stream.Gap{After: "1\r\nid: 99", Through: 4, Reason: stream.Unknown, ID: 5})
	b = wire.AppendSSEPosition(b, 6)
	b = wire.AppendSSEClosing(b, stream.Closing{Reason: "draining", Cursor: 6, Retry: time.Second})
	events, id := readSSE(b)
	if len(events) != 2 || id != "6" {
		t.Fatalf("events %v, id %q; want a gap and a closing, id 6", events, id)
	}
	gap, err := wire.DecodeGap([]byte(events[0].data))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&wire.GapNotice{After: "1\r\nid: 99", Through: "4", Reason: "unknown", Feeds: []string{}}, gap); diff != "" {
		t.Error(diff)
	}
	closing, err := wire.DecodeClosing([]byte(events[1].data))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&wire.ClosingNotice{Reason: "draining", Cursor: "6", Retry: time.Second}, closing); diff != "" {
		t.Error(diff)
	}
	if events[0] != (sseEvent{name: "gap", data: events[0].data, id: "5", retry: 2000}) {
		t.Errorf("the gap came as %+v", events[0])
	}
	if events[1].retry != 1000 {
		t.Errorf("retry %d with the closing, want 1000", events[1].retry)
	}
}

// sseEvent is an event as dispatched, with the reader's state at that moment.
type sseEvent struct {
	name, data, id string
	retry          int // in milliseconds, -1 before the first
}

// readSSE is a second opinion: the HTML standard, 9.2.6, and nothing of feedd.
// It returns the events and the last event id at the end of the stream.
func readSSE(stream []byte) ([]sseEvent, string) {
	s := strings.TrimPrefix(string(stream), "\uFEFF")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	lines := strings.Split(s, "\n")
	lines = lines[:len(lines)-1] // what has no line end is not a line
	var (
		events         []sseEvent
		name, data, id string
		lastID         string
		hasData        bool
		retry          = -1
	)
	for _, line := range lines {
		if line == "" {
			lastID = id
			if hasData {
				events = append(events, sseEvent{name, strings.TrimSuffix(data, "\n"), lastID, retry})
			}
			name, data, hasData = "", "", false
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data += value + "\n"
			hasData = true
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		case "retry":
			if n, ok := digits(value); ok {
				retry = n
			}
		}
	}
	return events, lastID
}

func digits(s string) (n int, ok bool) {
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, s != ""
}
