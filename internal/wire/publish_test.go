package wire_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"feedd/internal/stream"
	"feedd/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func jsonDraft(data string) stream.Draft { return stream.Draft{JSON: true, Data: []byte(data)} }

func textDraft(data string) stream.Draft { return stream.Draft{Data: []byte(data)} }

func TestParseJSON(t *testing.T) {
	nested := strings.Repeat("[", wire.MaxDepth) + strings.Repeat("]", wire.MaxDepth)
	for _, tc := range []struct{ rule, body, want string }{
		{"an object", `{"a":1}`, `{"a":1}`},
		{"whitespace between tokens goes", " {\r\n\t\"a\" : [ 1 , 2 ] } \n", `{"a":[1,2]}`},
		{"whitespace in strings stays", ` {"a b" : " c \" d "} `, `{"a b":" c \" d "}`},
		{"a scalar is a value", ` 7 `, `7`},
		{"null is a value", `null`, `null`},
		{"an empty string is a value", `""`, `""`},
		{"empty containers", `[ { } , [ ] ]`, `[{},[]]`},
		{"numbers are untouched", `[1.0,-0,1E+400,123456789012345678901234567890,0.10]`, `[1.0,-0,1E+400,123456789012345678901234567890,0.10]`},
		{"strings are untouched", `"\u0041\/é\ud83d\ude00"`, `"\u0041\/é\ud83d\ude00"`},
		{"a lone surrogate is legal", `"\ud800"`, `"\ud800"`},
		{"repeated names are kept", `{"a":1,"a":2}`, `{"a":1,"a":2}`},
		{"U+2028 may stand in a string", "\"\u2028\"", "\"\u2028\""},
		{"nesting up to the bound", nested, nested},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			got, err := wire.ParseJSON([]byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(jsonDraft(tc.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseJSONRefuses(t *testing.T) {
	for _, tc := range []struct {
		rule, body string
		offset     int64
		msg        string
	}{
		{"a word", `hello`, 0, "expected a value"},
		{"what is cut in a word", `tru`, 3, "it ends"},
		{"a misspelt word", `nul1`, 3, "the word null"},
		{"an object that ends early", `{"a":1`, 6, "it ends where a comma or }"},
		{"a string that ends early", `{"a":"b`, 7, "it ends where a quote"},
		{"an escape that ends early", `"\`, 2, "it ends"},
		{"a missing value", `{"a":}`, 5, "found '}', expected a value"},
		{"a missing colon", `{"a" 1}`, 5, "a colon"},
		{"a name without quotes", `{a:1}`, 1, "a name in quotes"},
		{"a comma at the end of an object", `{"a":1,}`, 7, "a name in quotes"},
		{"a comma at the end of an array", `[1,]`, 3, "expected a value"},
		{"the wrong bracket", `[1}`, 2, "a comma or ]"},
		{"two values", `{} {}`, 3, "the end, after one whole value"},
		{"a leading zero", `01`, 1, "the end"},
		{"a bare minus", `-`, 1, "a digit"},
		{"a bare point", `1.`, 2, "a digit"},
		{"a point first", `.5`, 0, "expected a value"},
		{"a plus first", `+5`, 0, "expected a value"},
		{"an empty exponent", `1e+`, 3, "a digit"},
		{"a raw newline in a string", "\"a\nb\"", 2, `'\n' must be escaped`},
		{"a NUL outside of a string", "[\x00]", 1, "expected a value"},
		{"an unknown escape", `"\x"`, 2, "after a backslash"},
		{"a short escape", `"\u12"`, 5, "four hexadecimal digits"},
		{"single quotes", `'a'`, 0, "expected a value"},
		{"a comment", `1 // one`, 2, "the end"},
		{"NaN", `NaN`, 0, "expected a value"},
		{"invalid UTF-8", "\"ab\xff\"", 3, "invalid UTF-8"},
		{"an encoded surrogate", "\"\xed\xa0\x80\"", 1, "invalid UTF-8"},
		{"a byte order mark", "\uFEFF{}", 0, "byte order mark"},
		{"a space that is not ASCII", "\u00a01", 0, "expected a value"},
		{"one level too many", strings.Repeat("[", wire.MaxDepth+1), wire.MaxDepth, "nested more than 500 deep"},
		{"a million levels", strings.Repeat(`{"a":`, 1_000_000), 5 * wire.MaxDepth, "nested more than 500 deep"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			_, err := wire.ParseJSON([]byte(tc.body))
			wantSyntaxError(t, err, 0, tc.offset, tc.msg)
		})
	}
	for _, empty := range []string{"", " \r\n\t"} {
		if _, err := wire.ParseJSON([]byte(empty)); !errors.Is(err, wire.ErrEmpty) {
			t.Errorf("ParseJSON(%q): %v, want ErrEmpty", empty, err)
		}
	}
}

func TestParseText(t *testing.T) {
	for _, text := range []string{"hello", " ", "\r\n", `{"a":1}`, "\uFEFFa", "\x00", "é\n"} {
		got, err := wire.ParseText([]byte(text))
		if err != nil {
			t.Errorf("ParseText(%q): %v", text, err)
		}
		if diff := cmp.Diff(textDraft(text), got); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := wire.ParseText(nil); !errors.Is(err, wire.ErrEmpty) {
		t.Errorf("no text: %v, want ErrEmpty", err)
	}
	_, err := wire.ParseText([]byte("ab\xc3"))
	wantSyntaxError(t, err, 0, 2, "invalid UTF-8")
}

func TestParseLines(t *testing.T) {
	one, two := jsonDraft("1"), jsonDraft(`{"a":2}`)
	for _, tc := range []struct {
		rule, body string
		want       []stream.Draft
	}{
		{"a line is an item", "1\n{\"a\":2}\n", []stream.Draft{one, two}},
		{"the last newline may be missing", "1\n{\"a\":2}", []stream.Draft{one, two}},
		{"lines may end with CRLF", "1\r\n{\"a\":2}\r\n", []stream.Draft{one, two}},
		{"empty lines do not count", "\n1\n \t\r\n\n{\"a\":2}\n\n", []stream.Draft{one, two}},
		{"lines are compacted", " 1 \n{ \"a\" : 2 }", []stream.Draft{one, two}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			got, err := wire.ParseLines([]byte(tc.body), 2)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseLinesRefuses(t *testing.T) {
	_, err := wire.ParseLines([]byte("1\n\n[1,]\n"), 9)
	wantSyntaxError(t, err, 3, 3, "expected a value")
	if want := "line 3, offset 3: "; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %q, want it to start with %q", err, want)
	}
	_, err = wire.ParseLines([]byte("{\n\"a\":1}\n"), 9)
	wantSyntaxError(t, err, 1, 1, "it ends")
	_, err = wire.ParseLines([]byte("1\n\"\xff\"\n"), 9)
	wantSyntaxError(t, err, 2, 1, "invalid UTF-8")
	_, err = wire.ParseLines([]byte("\uFEFF1\n2\n"), 9)
	wantSyntaxError(t, err, 1, 0, "byte order mark")

	for _, empty := range []string{"", "\n", " \r\n\t\n"} {
		if _, err := wire.ParseLines([]byte(empty), 9); !errors.Is(err, wire.ErrEmpty) {
			t.Errorf("ParseLines(%q): %v, want ErrEmpty", empty, err)
		}
	}
	_, err = wire.ParseLines([]byte("1\n2\n\n3\n"), 2)
	var many *wire.TooManyError
	if !errors.As(err, &many) || many.Max != 2 || many.What != "items" {
		t.Errorf("three items where two may be: %v, want a TooManyError", err)
	}
	if _, err := wire.ParseLines([]byte("1\n2\n\n"), 2); err != nil {
		t.Errorf("two items where two may be: %v", err)
	}
}

func TestParseEnvelopes(t *testing.T) {
	for _, tc := range []struct {
		rule, line string
		want       stream.Draft
	}{
		{"data alone", `{"data":{"a":1}}`, jsonDraft(`{"a":1}`)},
		{"data is compact and else verbatim", `{ "data" : { "a" : 1.0 , "a" : "\ud800" } }`, jsonDraft(`{"a":1.0,"a":"\ud800"}`)},
		{"a string is text", `{"data":"a\n\"\u00e9\ud83d\ude00\/"}`, textDraft("a\n\"é😀/")},
		{"a string that looks like JSON is text", `{"data":"{\"a\":1}"}`, textDraft(`{"a":1}`)},
		{"the empty string is JSON", `{"data":""}`, jsonDraft(`""`)},
		{"a lone surrogate is JSON", `{"data":"a\udc00"}`, jsonDraft(`"a\udc00"`)},
		{"two high surrogates are JSON", `{"data":"\ud800\ud800"}`, jsonDraft(`"\ud800\ud800"`)},
		{"null is data", `{"data":null}`, jsonDraft(`null`)},
		{"event and ttl count", `{"event":"goal","ttl":"1d12h","data":1}`, stream.Draft{Event: "goal", TTL: 36 * time.Hour, JSON: true, Data: []byte("1")}},
		{"id, feed, time and others are ignored", `{"id":5,"id":6,"feed":null,"time":"noon","x":[{"data":3}],"data":1}`, jsonDraft("1")},
		{"names differ by case", `{"Data":2,"data":1,"EVENT":7}`, jsonDraft("1")},
		{"escaped names are names", `{"\u0064ata":1}`, jsonDraft("1")},
		{"data makes a notice an item", `{"cursor":"5","data":1}`, jsonDraft("1")},
		{"data may be nested up to the bound",
			`{"data":` + strings.Repeat("[", wire.MaxDepth) + strings.Repeat("]", wire.MaxDepth) + `}`,
			jsonDraft(strings.Repeat("[", wire.MaxDepth) + strings.Repeat("]", wire.MaxDepth))},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			got, err := wire.ParseEnvelopes([]byte("{\"cursor\":\"1\"}\r\n"+tc.line+"\n\n"), 1)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]stream.Draft{tc.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWhatOneFeeddPrintsAnotherTakes: a whole NDJSON stream, notices and
// all, is a batch.
func TestWhatOneFeeddPrintsAnotherTakes(t *testing.T) {
	var b []byte
	b = wire.AppendCursorLine(b, 5)
	b = wire.AppendGapLine(b, &stream.Gap{After: "5", Through: 6, Reason: stream.Trimmed})
	b = wire.AppendLine(b, named(jsonItem(`{"a":1}`), "goal"))
	b = wire.AppendLine(b, textItem("a\r\nb\u2028"))
	b = wire.AppendClosingLine(b, stream.Closing{Reason: "draining", Cursor: 7})
	got, err := wire.ParseEnvelopes(b, 2)
	if err != nil {
		t.Fatal(err)
	}
	goal := jsonDraft(`{"a":1}`)
	goal.Event = "goal"
	if diff := cmp.Diff([]stream.Draft{goal, textDraft("a\r\nb\u2028")}, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseEnvelopesRefuses(t *testing.T) {
	for _, tc := range []struct {
		rule, line string
		offset     int64
		msg        string
	}{
		{"no data", `{"event":"goal"}`, 0, "no data"},
		{"what is no object", ` [1]`, 1, "an envelope is expected"},
		{"bad JSON", `{"data":}`, 8, "expected a value"},
		{"data twice", `{"data":1,"data":2}`, 10, "data twice"},
		{"event twice", `{"event":"a","event":"a","data":2}`, 13, "event twice"},
		{"a reserved event", `{"event":"gap","data":1}`, 9, "notices"},
		{"an empty event", `{"event":"","data":1}`, 9, "empty"},
		{"an event that is no string", `{"event":null,"data":1}`, 9, "event must be a string"},
		{"a bad ttl", `{"ttl":"soon","data":1}`, 7, "bad ttl"},
		{"a ttl of 0", `{"ttl":"0s","data":1}`, 7, "above 0"},
		{"a ttl that is no string", `{"ttl":60,"data":1}`, 7, "ttl must be a string"},
		{"data one level too deep", `{"data":` + strings.Repeat("[", wire.MaxDepth+1), 8 + wire.MaxDepth, "nested"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			_, err := wire.ParseEnvelopes([]byte("{\"data\":1}\n\n"+tc.line+"\n"), 9)
			wantSyntaxError(t, err, 3, tc.offset, tc.msg)
		})
	}
	for _, empty := range []string{"", "\n", `{"cursor":"5"}`, "{\"gap\":{}}\n{\"closing\":{}}\n"} {
		if _, err := wire.ParseEnvelopes([]byte(empty), 9); !errors.Is(err, wire.ErrEmpty) {
			t.Errorf("ParseEnvelopes(%q): %v, want ErrEmpty", empty, err)
		}
	}
	var many *wire.TooManyError
	if _, err := wire.ParseEnvelopes([]byte("{\"data\":1}\n{\"cursor\":\"1\"}\n{\"data\":1}\n"), 1); !errors.As(err, &many) {
		t.Errorf("two items where one may be: %v, want a TooManyError", err)
	}
}

// TestP6_DraftsDoNotHoldTheBody: a draft is a copy of its own size, so that
// one small item that is retained holds no more than itself.
func TestP6_DraftsDoNotHoldTheBody(t *testing.T) {
	parse := func(body string, f func([]byte) ([]stream.Draft, error)) {
		t.Helper()
		b := []byte(body)
		drafts, err := f(b)
		if err != nil {
			t.Fatal(err)
		}
		before := make([]string, len(drafts))
		for i, d := range drafts {
			before[i] = string(d.Data)
			if cap(d.Data) != len(d.Data) {
				t.Errorf("%q has room for %d bytes more", d.Data, cap(d.Data)-len(d.Data))
			}
		}
		clear(b)
		for i, d := range drafts {
			wantBytes(t, d.Data, before[i])
		}
	}
	one := func(f func([]byte) (stream.Draft, error)) func([]byte) ([]stream.Draft, error) {
		return func(b []byte) ([]stream.Draft, error) {
			d, err := f(b)
			return []stream.Draft{d}, err
		}
	}
	parse(`{"a":"bcdefgh"}`, one(wire.ParseJSON))
	parse(`{ "a": "bcdefgh" }`, one(wire.ParseJSON))
	parse(`hello`, one(wire.ParseText))
	parse(`hello`, one(wire.ParseForm))
	parse(`a=hello&b=world+%20&a=c`, one(wire.ParseForm))
	parse(`{"a":"hello"}`, one(wire.ParseForm))
	parse("{\"a\":1}\n[1, 2]\n", func(b []byte) ([]stream.Draft, error) { return wire.ParseLines(b, 9) })
	parse("{\"data\":{\"a\": 1}}\n{\"data\":\"text\"}\n{\"data\":\"t\\u0065xt\"}\n",
		func(b []byte) ([]stream.Draft, error) { return wire.ParseEnvelopes(b, 9) })
}
