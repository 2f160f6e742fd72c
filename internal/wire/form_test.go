package wire_test

import (
	"errors"
	"strings"
	"testing"

	"feedd/internal/stream"
	"feedd/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func TestParseForm(t *testing.T) {
	for _, tc := range []struct {
		rule, body string
		want       stream.Draft
	}{
		{"a JSON object is JSON", `{"a": 1.0}`, jsonDraft(`{"a":1.0}`)},
		{"a JSON array is JSON", " [1, 2]\n", jsonDraft(`[1,2]`)},
		{"a JSON object with = and & in it is JSON", `{"a":"b=c&d=e"}`, jsonDraft(`{"a":"b=c&d=e"}`)},
		{"a JSON scalar is text", `7`, textDraft(`7`)},
		{"a JSON string is text", `"a"`, textDraft(`"a"`)},
		{"broken JSON is text", `{"a":1`, textDraft(`{"a":1`)},
		{"two JSON objects are text", `{}{}`, textDraft(`{}{}`)},
		{"a pair is a form", `a=1`, jsonDraft(`{"a":"1"}`)},
		{"values are strings in the order of their fields", `b=1&a=2&c=true`, jsonDraft(`{"b":"1","a":"2","c":"true"}`)},
		{"a repeated field is an array where it first stood", `a=1&b=2&a=3&a=`, jsonDraft(`{"a":["1","3",""],"b":"2"}`)},
		{"names repeat once decoded", `a=1&%61=2`, jsonDraft(`{"a":["1","2"]}`)},
		{"+ is a space and escapes are bytes", `a+b=c%2Bd+%c3%A9%22%0A`, jsonDraft(`{"a b":"c+d é\"\n"}`)},
		{"a value may be empty", `a=`, jsonDraft(`{"a":""}`)},
		{"a value may have =", `a=b=c`, jsonDraft(`{"a":"b=c"}`)},
		{"a value may have anything but &", `msg=Hello, "wörld"!`, jsonDraft(`{"msg":"Hello, \"wörld\"!"}`)},
		{"brackets are part of a name", `a[]=1&a[]=2&b[x]=3`, jsonDraft(`{"a[]":["1","2"],"b[x]":"3"}`)},
		{"a bracket first is a name too", `[x]=1`, jsonDraft(`{"[x]":"1"}`)},
		{"a word is text", `hello`, textDraft(`hello`)},
		{"text keeps + and %", `1+1 100%25`, textDraft(`1+1 100%25`)},
		{"text keeps its newlines", "hello\r\nworld\n", textDraft("hello\r\nworld\n")},
		{"a sentence with = is text", `if a == b`, textDraft(`if a == b`)},
		{"a URL is text", `https://example.org/?a=1&b=2`, textDraft(`https://example.org/?a=1&b=2`)},
		{"a part without = makes text", `a=1&b`, textDraft(`a=1&b`)},
		{"an & at the end makes text", `a=1&`, textDraft(`a=1&`)},
		{"a part without a name makes text", `=1`, textDraft(`=1`)},
		{"a name that is not ASCII makes text", `é=1`, textDraft(`é=1`)},
		{"a broken escape in the name makes text", `100%=all`, textDraft(`100%=all`)},
		{"a broken escape in the value makes text", `rate=100%`, textDraft(`rate=100%`)},
		{"half an escape makes text", `a=1&b=%4`, textDraft(`a=1&b=%4`)},
		{"whitespace is text", " \n", textDraft(" \n")},
		{"a byte order mark makes text", "\uFEFF{}", textDraft("\uFEFF{}")},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			got, err := wire.ParseForm([]byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseFormRefuses(t *testing.T) {
	for _, tc := range []struct {
		rule, body string
		offset     int64
		msg        string
	}{
		{"text that is not UTF-8", "abc\xff", 3, "invalid UTF-8"},
		{"a form that is not UTF-8", "a=\xff", 2, "invalid UTF-8"},
		{"escapes that are not UTF-8", "a=1&b=%C3%28", 4, "invalid UTF-8"},
		{"a name that is not UTF-8", "%ff=1", 0, "invalid UTF-8"},
		{"half a character escaped, half not", "a=%C3\xa9", 5, "invalid UTF-8"},
		{"JSON that is nested too deep", strings.Repeat("[", 600) + strings.Repeat("]", 600), wire.MaxDepth, "nested"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			_, err := wire.ParseForm([]byte(tc.body))
			wantSyntaxError(t, err, 0, tc.offset, tc.msg)
		})
	}
	if _, err := wire.ParseForm(nil); !errors.Is(err, wire.ErrEmpty) {
		t.Errorf("no body: %v, want ErrEmpty", err)
	}
}

// TestP6_FormFieldsAreBounded: a field costs memory however short it is.
func TestP6_FormFieldsAreBounded(t *testing.T) {
	most := strings.Repeat("&a=", wire.MaxFields)[1:]
	if _, err := wire.ParseForm([]byte(most)); err != nil {
		t.Errorf("%d fields: %v", wire.MaxFields, err)
	}
	var many *wire.TooManyError
	if _, err := wire.ParseForm([]byte(most + "&a=")); !errors.As(err, &many) || many.What != "fields" {
		t.Errorf("one field more: %v, want a TooManyError", err)
	}
}

// What comes from another server is passed on as it is, but for the whitespace
// of JSON.
func TestParseData(t *testing.T) {
	deep := strings.Repeat("[", wire.MaxDepth+1) + strings.Repeat("]", wire.MaxDepth+1)
	for in, want := range map[string]string{
		`{"a": 1.0}`:    `json {"a":1.0}`,
		"\n[1,\n\t2 ] ": `json [1,2]`,
		`"text"`:        `text "text"`,
		" 1.50 ":        `text  1.50 `,
		"null":          `text null`,
		"a=1&b=2":       `text a=1&b=2`,
		`{"a":1`:        `text {"a":1`,
		deep:            `text ` + deep,
		"":              "there is no item",
		"a\xff":         "invalid UTF-8",
	} {
		d, err := wire.ParseData([]byte(in))
		got := map[bool]string{true: "json ", false: "text "}[d.JSON] + string(d.Data)
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != want || err != nil && !strings.Contains(got, want) {
			t.Errorf("%.50q: %.50q, want %.50q", in, got, want)
		}
	}
}
