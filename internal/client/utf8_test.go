package client

import (
	"testing"
	"unicode/utf8"
)

// The cases of the Encoding standard's rule: a character that breaks off is
// one replacement, a byte that begins none is one each.
func TestDecodeUTF8(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"é😀":                       "é😀",
		"\xff":                     "\ufffd",
		"a\x80\x80b":               "a\ufffd\ufffdb",
		"\xc3":                     "\ufffd",
		"\xc3a":                    "\ufffda",
		"\xc0\xaf":                 "\ufffd\ufffd",
		"\xe2\x82":                 "\ufffd",
		"\xe2\x82\xe2\x82\xac":     "\ufffd€",
		"\xe0\x80\x80":             "\ufffd\ufffd\ufffd",
		"\xed\xa0\x80":             "\ufffd\ufffd\ufffd",
		"\xf0\x9f\x98":             "\ufffd",
		"\xf0\x9f\x98a":            "\ufffda",
		"\xf0\x80\x80\x80":         "\ufffd\ufffd\ufffd\ufffd",
		"\xf4\x90\x80\x80":         "\ufffd\ufffd\ufffd\ufffd",
		"\xf5\x80":                 "\ufffd\ufffd",
		"\xf0\x9f\x98\x80\xf1\x80": "😀\ufffd",
	} {
		got := string(decodeUTF8([]byte(in)))
		if got != want || !utf8.ValidString(got) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
