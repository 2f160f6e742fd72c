package wire_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"feedd/internal/stream"
	"feedd/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func TestAppendEnvelope(t *testing.T) {
	const head = `{"id":"1763792000000001","feed":"news","time":"2026-11-22T06:13:20.000001Z","data":`
	for _, tc := range []struct {
		rule string
		item *stream.Item
		want string
	}{
		{"JSON stands verbatim", jsonItem(`{"a":1.0e5,"b":"\ud800<&>"}`), head + `{"a":1.0e5,"b":"\ud800<&>"}}`},
		{"a line break in stored JSON does not make two lines", jsonItem("{\"a\":\r\n1}"), head + `{"a":  1}}`},
		{"text is a string, also when it looks like JSON", textItem(`{"a":1}`), head + `"{\"a\":1}"}`},
		{"quotes and backslashes are escaped", textItem(`say "a\b"`), head + `"say \"a\\b\""}`},
		{"control characters are escaped", textItem("\x00\x01\b\t\n\v\f\r\x1f\x7f"), head + `"\u0000\u0001\b\t\n\u000b\f\r\u001f` + "\x7f\"}"},
		{"line separators are escaped", textItem("a\u2028b\u2029c"), head + `"a\u2028b\u2029c"}`},
		{"other characters stay UTF-8", textItem("Grüße “日本” \u2027\u202a 😀"), head + "\"Grüße “日本” \u2027\u202a 😀\"}"},
		{"HTML is not escaped", textItem("<a href='x'>&</a>"), head + `"<a href='x'>&</a>"}`},
		{"bytes that are not UTF-8 are replaced", textItem("a\xff\xfe\xe2"), head + "\"a\uFFFD\"}"},
		{"the event follows the feed", named(jsonItem("1"), "goal"),
			`{"id":"1763792000000001","feed":"news","event":"goal","time":"2026-11-22T06:13:20.000001Z","data":1}`},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			got := wire.AppendEnvelope(nil, tc.item)
			wantBytes(t, got, tc.want)
			if !json.Valid(got) {
				t.Error("this is not JSON")
			}
			wantBytes(t, wire.AppendLine([]byte("x"), tc.item), "x"+tc.want+"\n")
		})
	}
}

func TestTimeIsUTCWithSixDecimals(t *testing.T) {
	east := time.FixedZone("", 2*3600)
	for _, when := range []time.Time{
		at,
		time.Date(2027, 1, 1, 0, 30, 0, 0, east),
		time.Date(2024, 2, 29, 23, 59, 59, 999999999, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 1000, time.UTC),
		stream.MaxID.Time(),
		{},
	} {
		wantBytes(t, wire.AppendTime(nil, when), when.UTC().Format("2006-01-02T15:04:05.000000Z"))
	}
}

func TestNoticeLines(t *testing.T) {
	gap := &stream.Gap{After: "5", Through: 9, Oldest: 12, Reason: stream.Purged, Feeds: []string{"a", "b.c"}, ID: 9}
	for _, tc := range []struct {
		rule string
		got  []byte
		want string
		line wire.Line
	}{
		{"a cursor", wire.AppendCursorLine(nil, 7), `{"cursor":"7"}` + "\n", wire.Line{Cursor: "7"}},
		{"a gap", wire.AppendGapLine(nil, gap),
			`{"gap":{"after":"5","through":"9","oldest":"12","reason":"purged","feeds":["a","b.c"]},"cursor":"9"}` + "\n",
			wire.Line{Cursor: "9", Gap: &wire.GapNotice{After: "5", Through: "9", Oldest: "12", Reason: "purged", Feeds: []string{"a", "b.c"}}}},
		{"a gap without what is 0 or none", wire.AppendGapLine(nil, &stream.Gap{After: "abc", Through: 9, Reason: stream.Unknown}),
			`{"gap":{"after":"abc","through":"9","reason":"unknown","feeds":[]},"cursor":"0"}` + "\n",
			wire.Line{Cursor: "0", Gap: &wire.GapNotice{After: "abc", Through: "9", Reason: "unknown", Feeds: []string{}}}},
		{"a gap after any bytes that a client sent", wire.AppendGapLine(nil, &stream.Gap{After: "\"}\n\x00é\xff"}),
			`{"gap":{"after":"\"}\n\u0000é` + "\uFFFD" + `","through":"0","reason":"","feeds":[]},"cursor":"0"}` + "\n",
			wire.Line{Cursor: "0", Gap: &wire.GapNotice{After: "\"}\n\x00é\uFFFD", Through: "0", Feeds: []string{}}}},
		{"a closing", wire.AppendClosingLine(nil, stream.Closing{Reason: "draining", Cursor: 7, Retry: 1500 * time.Millisecond}),
			`{"closing":{"reason":"draining","cursor":"7","retry":1500}}` + "\n",
			wire.Line{Closing: &wire.ClosingNotice{Reason: "draining", Cursor: "7", Retry: 1500 * time.Millisecond}}},
		{"a closing without a position", wire.AppendClosingLine(nil, stream.Closing{Reason: "full"}),
			`{"closing":{"reason":"full","retry":0}}` + "\n",
			wire.Line{Closing: &wire.ClosingNotice{Reason: "full"}}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			wantBytes(t, tc.got, tc.want)
			line, err := wire.DecodeLine(tc.got)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.line, line); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFramesAreLinesWithoutTheNewline(t *testing.T) {
	gap, closing := &stream.Gap{After: "5", Through: 9}, stream.Closing{Reason: "x", Cursor: 7}
	wantBytes(t, append(wire.AppendCursor(nil, 7), '\n'), string(wire.AppendCursorLine(nil, 7)))
	wantBytes(t, append(wire.AppendGap(nil, gap), '\n'), string(wire.AppendGapLine(nil, gap)))
	wantBytes(t, append(wire.AppendClosing(nil, closing), '\n'), string(wire.AppendClosingLine(nil, closing)))
}

func TestDecodeLineItem(t *testing.T) {
	for _, tc := range []struct {
		rule string
		item *stream.Item
		data string
		text string
		is   bool // a text item
	}{
		{"JSON is kept verbatim", jsonItem(`{"a":1.0,"a":"\ud800"}`), `{"a":1.0,"a":"\ud800"}`, "", false},
		{"text comes back as text", textItem("a\r\n\"\\/\b\f\t\x00\u2028😀"), `"a\r\n\"\\/\b\f\t\u0000\u2028😀"`, "a\r\n\"\\/\b\f\t\x00\u2028😀", true},
		{"a JSON string counts as text", jsonItem(`"\ud83d\ude00\/"`), `"\ud83d\ude00\/"`, "😀/", true},
		{"the empty string is no text item", jsonItem(`""`), `""`, "", false},
		{"a lone surrogate is no text", jsonItem(`"\ud800"`), `"\ud800"`, "", false},
		{"null is data", jsonItem(`null`), `null`, "", false},
		{"data that looks like a notice is an item", jsonItem(`{"gap":{}}`), `{"gap":{}}`, "", false},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			line, err := wire.DecodeLine(wire.AppendLine(nil, named(tc.item, "goal")))
			if err != nil {
				t.Fatal(err)
			}
			want := wire.Line{Item: &wire.Envelope{ID: "1763792000000001", Feed: "news", Event: "goal", Time: at, Data: json.RawMessage(tc.data)}}
			if diff := cmp.Diff(want, line); diff != "" {
				t.Fatal(diff)
			}
			if text, is := line.Item.Text(); text != tc.text || is != tc.is {
				t.Errorf("Text() = %q, %v, want %q, %v", text, is, tc.text, tc.is)
			}
		})
	}
}

func TestDecodeLineRules(t *testing.T) {
	const item = `"id":"1","feed":"a","time":"2026-11-22T06:13:20Z","data":1`
	for _, tc := range []struct {
		rule string
		line string
		ok   bool
	}{
		{"whitespace may stand around", " { " + item + " } \r\n", true},
		{"unknown members are ignored", `{"new":{"a":[]},` + item + `}`, true},
		{"escaped names are names", `{"id":"1","feed":"a","time":"2026-11-22T06:13:20Z","d\u0061ta":1}`, true},
		{"unknown notices are no error", `{"weather":{}}`, true},
		{"names differ by case", `{"Cursor":5}`, true},
		{"an item needs an id", `{"feed":"a","time":"2026-11-22T06:13:20Z","data":1}`, false},
		{"an item needs a feed", `{"id":"1","time":"2026-11-22T06:13:20Z","data":1}`, false},
		{"an item needs a time", `{"id":"1","feed":"a","data":1}`, false},
		{"a time must be one", `{"id":"1","feed":"a","time":"noon","data":1}`, false},
		{"an id is a string", `{"id":1,"feed":"a","time":"2026-11-22T06:13:20Z","data":1}`, false},
		{"a cursor is a string", `{"cursor":7}`, false},
		{"a cursor is not empty", `{"cursor":""}`, false},
		{"a gap is an object", `{"gap":7}`, false},
		{"a closing is an object", `{"closing":"x"}`, false},
		{"half a line is an error", `{"id":"1","feed":"a"`, false},
		{"an array is an error", `[1]`, false},
		{"an empty line is an error", ``, false},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			if l, err := wire.DecodeLine([]byte(tc.line)); (err == nil) != tc.ok {
				t.Errorf("DecodeLine(%s) = %+v, %v", tc.line, l, err)
			}
		})
	}
}

func TestDecodeLineKeepsNothingOfItsInput(t *testing.T) {
	b := wire.AppendLine(nil, jsonItem(`{"a":"b"}`))
	line, err := wire.DecodeLine(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	wantBytes(t, line.Item.Data, `{"a":"b"}`)
}

func TestAppendPage(t *testing.T) {
	const item = `{"id":"1763792000000001","feed":"news","time":"2026-11-22T06:13:20.000001Z","data":`
	for _, tc := range []struct {
		rule string
		page wire.Page
		want string
	}{
		{"an empty page has a cursor", wire.Page{Cursor: 7}, `{"items":[],"cursor":"7","more":false}`},
		{"items are envelopes", wire.Page{Items: []*stream.Item{jsonItem("1"), textItem("b")}, Cursor: 9, More: true},
			`{"items":[` + item + `1},` + item + `"b"}],"cursor":"9","more":true}`},
		{"a gap stands in it (P4)", wire.Page{Cursor: 9, Gap: &stream.Gap{After: "5", Through: 9, Oldest: 10, Reason: stream.Trimmed, Feeds: []string{"a"}}},
			`{"items":[],"cursor":"9","more":false,"gap":{"after":"5","through":"9","oldest":"10","reason":"trimmed","feeds":["a"]}}`},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			got := wire.AppendPage(nil, tc.page)
			wantBytes(t, got, tc.want+"\n")
			if !json.Valid(got) {
				t.Error("this is not JSON")
			}
		})
	}
}

// TestEncodingAllocatesNothing but what the buffer needs to grow.
func TestEncodingAllocatesNothing(t *testing.T) {
	text, data := named(textItem("a “quoted” \"text\"\r\nof two lines, longer than thirty-two bytes"), "goal"), jsonItem(`{"a":1}`)
	gap := &stream.Gap{After: "1763792000000001", Through: 9, Oldest: 12, Reason: stream.Trimmed, Feeds: []string{"a.feed.with.a.name.of.more.than.thirty-two.bytes"}}
	buf := make([]byte, 0, 4096)
	for name, encode := range map[string]func(){
		"AppendSSE":         func() { buf = wire.AppendSSE(wire.AppendSSE(buf[:0], text), data) },
		"AppendSSEEnvelope": func() { buf = wire.AppendSSEEnvelope(wire.AppendSSEEnvelope(buf[:0], text), data) },
		"AppendLine":        func() { buf = wire.AppendLine(wire.AppendLine(buf[:0], text), data) },
		"AppendGapLine":     func() { buf = wire.AppendGapLine(buf[:0], gap) },
	} {
		if n := testing.AllocsPerRun(100, encode); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestEscapingAtEveryPlace: eight bytes are looked at together, so what is
// escaped must not depend on where a character stands or on its neighbours.
func TestEscapingAtEveryPlace(t *testing.T) {
	for _, neighbour := range []string{"a", "!", "#", "[", "]", "\x1f", " ", "\x7f", "\"", "\\", "ÿ", "\u2029", "\u20ac", "\uFFFD"} {
		for r := rune(0); r <= 0x2030; r++ {
			if r == 0x180 {
				r = 0x2020
			}
			for place := range 10 {
				text := strings.Repeat(neighbour, place) + string(r) + strings.Repeat(neighbour, 9-place)
				quoted := wire.AppendEnvelope(nil, textItem(text))
				var e struct{ Data string }
				if err := json.Unmarshal(quoted, &e); err != nil || e.Data != text {
					t.Fatalf("%q is printed as %q, which is read as %q, %v", text, quoted, e.Data, err)
				}
				if bytes.ContainsAny(quoted, "\u2028\u2029") {
					t.Fatalf("a line separator in %q", quoted)
				}
			}
		}
	}
}
