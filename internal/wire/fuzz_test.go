package wire_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// checkDraft holds what every draft promises the core.
func checkDraft(t *testing.T, d stream.Draft) {
	t.Helper()
	if len(d.Data) == 0 || !utf8.Valid(d.Data) {
		t.Fatalf("data %q", d.Data)
	}
	if d.Event != "" && selector.CheckEvent(d.Event) != nil || d.TTL < 0 {
		t.Fatalf("event %q, ttl %v", d.Event, d.TTL)
	}
	if !d.JSON {
		return
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, d.Data); err != nil || !bytes.Equal(compact.Bytes(), d.Data) {
		t.Fatalf("data %q, compact %q, %v", d.Data, compact.Bytes(), err)
	}
}

// FuzzParseJSON takes encoding/json for the judge.
func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e+3,true,null,"\ud800\n"]}`, ` [ ] `, `"é"`, "\uFEFF1", `{"a":1,}`, `01`, "", `"\u12`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sent := bytes.Clone(body)
		d, err := wire.ParseJSON(body)
		if !bytes.Equal(sent, body) {
			t.Fatal("the body was written to")
		}
		if err != nil {
			if json.Valid(body) && utf8.Valid(body) && !strings.Contains(err.Error(), "nested") {
				t.Fatalf("ParseJSON(%q): %v", body, err)
			}
			if bad, ok := err.(*wire.SyntaxError); ok && (bad.Offset < 0 || bad.Offset > int64(len(body))) {
				t.Fatalf("ParseJSON(%q): offset %d", body, bad.Offset)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("ParseJSON(%q) = %q", body, d.Data)
		}
		checkDraft(t, d)
		var want bytes.Buffer
		if err := json.Compact(&want, body); err != nil || want.String() != string(d.Data) {
			t.Fatalf("ParseJSON(%q) = %q, want %q", body, d.Data, want.String())
		}
	})
}

// FuzzParseForm takes net/url for the judge of what is a form.
func FuzzParseForm(f *testing.F) {
	for _, s := range []string{`a=1&b=2&a=3`, `{"a":1}`, `hello`, `100%=all`, `a=%C3%A9+b`, `a=%ff`, `a[]=1&=`, `a=1&`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := wire.ParseForm(body)
		if err != nil {
			return
		}
		checkDraft(t, d)
		if !d.JSON {
			if !bytes.Equal(d.Data, body) {
				t.Fatalf("text %q of %q", d.Data, body)
			}
			return
		}
		if json.Valid(body) {
			return
		}
		var fields map[string]any
		if err := json.Unmarshal(d.Data, &fields); err != nil {
			t.Fatal(err)
		}
		got := url.Values{}
		for name, value := range fields {
			switch value := value.(type) {
			case string:
				got[name] = []string{value}
			case []any:
				for _, v := range value {
					got[name] = append(got[name], v.(string))
				}
			}
		}
		want, err := url.ParseQuery(string(body))
		if err != nil {
			return // net/url refuses semicolons
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q: %s", body, diff)
		}
	})
}

func FuzzParseLines(f *testing.F) {
	for _, s := range []string{"1\n2\n", "{\"a\":1}\r\n\r\n[]", "\n \n", "1\n{", "\"\xff\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		const most = 8
		drafts, err := wire.ParseLines(body, most)
		var lines []string
		for line := range strings.SplitSeq(string(body), "\n") {
			if strings.Trim(line, " \t\r") != "" {
				lines = append(lines, line)
			}
		}
		if err != nil {
			for _, line := range lines {
				if _, bad := wire.ParseJSON([]byte(line)); bad != nil {
					return
				}
			}
			if len(lines) > 0 && len(lines) <= most {
				t.Fatalf("ParseLines(%q): %v", body, err)
			}
			return
		}
		if len(drafts) != len(lines) {
			t.Fatalf("%d drafts of %d lines", len(drafts), len(lines))
		}
		for i, line := range lines {
			checkDraft(t, drafts[i])
			if d, err := wire.ParseJSON([]byte(line)); err != nil || !bytes.Equal(d.Data, drafts[i].Data) {
				t.Fatalf("line %q: %q, want %q, %v", line, drafts[i].Data, d.Data, err)
			}
		}
	})
}

func FuzzParseEnvelopes(f *testing.F) {
	f.Add([]byte(`{"event":"goal","ttl":"1d","data":{"a":1}}`))
	f.Add([]byte("{\"cursor\":\"1\"}\n{\"data\":\"\\ud800\"}\r\n{\"d\\u0061ta\":\"\\ud83d\\ude00\"}"))
	f.Add([]byte(`{"data":1,"data":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		drafts, err := wire.ParseEnvelopes(body, 8)
		if (err == nil) != (len(drafts) > 0) {
			t.Fatalf("%d drafts, %v", len(drafts), err)
		}
		for _, d := range drafts {
			checkDraft(t, d)
			checkRoundTrip(t, &stream.Item{ID: 1, Feed: "a", Event: d.Event, Time: at, JSON: d.JSON, Data: d.Data})
		}
	})
}

// FuzzDecodeLine: whatever a server sends, a client does not panic, and an
// item has what an item must have.
func FuzzDecodeLine(f *testing.F) {
	f.Add(wire.AppendLine(nil, named(textItem("a\nb"), "goal")))
	f.Add(wire.AppendGapLine(nil, &stream.Gap{After: "5", Through: 9, Feeds: []string{"a"}}))
	f.Add(wire.AppendClosingLine(nil, stream.Closing{Reason: "x", Cursor: 5, Retry: time.Second}))
	f.Add(wire.AppendCursorLine(nil, 5))
	f.Fuzz(func(t *testing.T, line []byte) {
		l, err := wire.DecodeLine(line)
		if err != nil {
			return
		}
		if !json.Valid(line) {
			t.Fatalf("%q is not JSON", line)
		}
		if l.Item != nil {
			checkDraft(t, stream.Draft{JSON: true, Data: l.Item.Data})
			if text, is := l.Item.Text(); is {
				var want string
				if err := json.Unmarshal(l.Item.Data, &want); err != nil || want != text {
					t.Fatalf("text %q of %q", text, l.Item.Data)
				}
			}
		}
	})
}

// FuzzEnvelope: DecodeLine(AppendLine(item)) has equal fields, and
// ParseEnvelopes takes the line for the same item.
func FuzzEnvelope(f *testing.F) {
	f.Add(int64(atID), "news", "goal", "a\r\n\"\\\u2028é\x00", false)
	f.Add(int64(1), "a.b", "", `{"a":["\ud800",1.0]}`, true)
	f.Add(int64(stream.MaxID), "a", "x:y", `""`, true)
	f.Fuzz(func(t *testing.T, id int64, feed, event, data string, isJSON bool) {
		it := itemOf(id, feed, event, data, isJSON)
		if it == nil {
			t.Skip()
		}
		checkRoundTrip(t, it)
	})
}

func checkRoundTrip(t *testing.T, it *stream.Item) {
	t.Helper()
	line := wire.AppendLine(nil, it)
	if bytes.IndexByte(line, '\n') != len(line)-1 || bytes.IndexByte(line, '\r') >= 0 || !json.Valid(line) || !utf8.Valid(line) {
		t.Fatalf("not one line of JSON: %q", line)
	}
	l, err := wire.DecodeLine(line)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	e := l.Item
	if e == nil || e.ID != it.ID.String() || e.Feed != it.Feed || e.Event != it.Event || !e.Time.Equal(it.Time) {
		t.Fatalf("%q is read as %+v", line, e)
	}
	text, isText := e.Text()
	if it.JSON && string(e.Data) != string(it.Data) || !it.JSON && (!isText || text != string(it.Data)) {
		t.Fatalf("%q is read with data %q", it.Data, e.Data)
	}
	drafts, err := wire.ParseEnvelopes(line, 1)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	want := stream.Draft{Event: it.Event, JSON: it.JSON, Data: it.Data}
	if isText {
		want.JSON, want.Data = false, []byte(text)
	}
	if diff := cmp.Diff([]stream.Draft{want}, drafts); diff != "" {
		t.Fatalf("%q: %s", line, diff)
	}
}

// itemOf makes an item that a log could hold, or nil.
func itemOf(id int64, feed, event, data string, isJSON bool) *stream.Item {
	if id < 1 || id > int64(stream.MaxID) || selector.CheckFeed(feed) != nil || event != "" && selector.CheckEvent(event) != nil {
		return nil
	}
	parse := wire.ParseText
	if isJSON {
		parse = wire.ParseJSON
	}
	d, err := parse([]byte(data))
	if err != nil {
		return nil
	}
	return &stream.Item{ID: stream.ID(id), Feed: feed, Event: event, Time: stream.ID(id).Time(), JSON: d.JSON, Data: d.Data}
}

// FuzzSSE: a reader by the book gets back the name, the id and the data, with
// its line breaks as LF, or the whole envelope.
func FuzzSSE(f *testing.F) {
	f.Add(int64(atID), "goal", "a\r\nb\rc\nd\r\r\n", false)
	f.Add(int64(1), "", "\uFEFFid: 7\n\n:", false)
	f.Add(int64(7), "", ` {"a": 1}`, true)
	f.Fuzz(func(t *testing.T, id int64, event, data string, isJSON bool) {
		it := itemOf(id, "a", event, data, isJSON)
		if it == nil {
			t.Skip()
		}
		b := wire.AppendSSEOpening(nil, 1, 2*time.Second)
		b = wire.AppendSSE(b, it)
		b = wire.AppendSSEComment(b)
		b = wire.AppendSSEEnvelope(b, it)
		want := strings.ReplaceAll(strings.ReplaceAll(string(it.Data), "\r\n", "\n"), "\r", "\n")
		events, last := readSSE(b)
		if diff := cmp.Diff([]sseEvent{
			{event, want, it.ID.String(), 2000},
			{event, string(wire.AppendEnvelope(nil, it)), it.ID.String(), 2000},
		}, events, cmp.AllowUnexported(sseEvent{})); diff != "" {
			t.Fatal(diff)
		}
		if last != it.ID.String() {
			t.Fatalf("the reader stands at %q, not at %v", last, it.ID)
		}
	})
}
