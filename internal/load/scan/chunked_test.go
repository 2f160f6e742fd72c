package scan

import (
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
)

// dechunk strips b, cut into reads of at most step bytes.
func dechunk(b []byte, step int) (data []byte, err error) {
	var d dechunker
	for len(b) > 0 && err == nil {
		piece := bytes.Clone(b[:min(step, len(b))])
		b = b[len(piece):]
		var n int
		n, err = d.strip(piece)
		data = append(data, piece[:n]...)
	}
	return data, err
}

func TestDechunker(t *testing.T) {
	for _, tc := range []struct {
		rule, in, want string
		err            error
	}{
		{"chunks are joined", "3\r\nabc\r\n2\r\nde\r\n", "abcde", nil},
		{"sizes are hexadecimal, in either case", "0A\r\n0123456789\r\n1a\r\n" + strings.Repeat("x", 26) + "\r\n", "0123456789" + strings.Repeat("x", 26), nil},
		{"extensions are passed over", "3;a=b;c=\"d\"\r\nabc\r\n1 \r\nd\r\n", "abcd", nil},
		{"a bare LF ends a line too", "3\nabc\n2\nde\n", "abcde", nil},
		{"line breaks in the data are data", "6\r\n\r\n0\r\n\n\r\n", "\r\n0\r\n\n", nil},
		{"the last chunk ends the body", "1\r\na\r\n0\r\n\r\n", "a", io.EOF},
		{"trailers are passed over", "1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n", "a", io.EOF},
		{"an empty size is an error", "\r\nabc", "", errChunk},
		{"a size that is no number is an error", "x\r\n", "", errChunk},
		{"a sign is no digit", "-1\r\n", "", errChunk},
		{"a size that does not end is an error", "12x\r\n", "", errChunk},
		{"a huge size is an error", "fffffffffffffffff\r\n", "", errChunk},
		{"data must end where the size says", "1\r\nab\r\n", "a", errChunk},
	} {
		for step := 1; step <= len(tc.in); step++ {
			data, err := dechunk([]byte(tc.in), step)
			if string(data) != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("%s: reads of %d: %q, %v; want %q, %v", tc.rule, step, data, err, tc.want, tc.err)
			}
		}
	}
}

// FuzzDechunker: what net/http's reader takes whole, is taken just so, however
// it is cut.
func FuzzDechunker(f *testing.F) {
	f.Add([]byte("3\r\nabc\r\n0\r\n\r\n"), 1)
	f.Add([]byte("1;x\r\na\r\n0\r\nTrailer: y\r\n\r\n"), 3)
	f.Add([]byte("0000000000000003\r\nabc\r\n0\r\n\r\n"), 2)
	f.Fuzz(func(t *testing.T, in []byte, step int) {
		if step < 1 || step > 1<<20 {
			return
		}
		whole, wholeErr := dechunk(in, max(1, len(in)))
		data, err := dechunk(in, step)
		if !bytes.Equal(data, whole) || !errors.Is(err, wholeErr) {
			t.Fatalf("reads of %d: %q, %v; at once: %q, %v", step, data, err, whole, wholeErr)
		}
		theirs, theirErr := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(in)))
		if theirErr == nil && !bytes.Equal(theirs, whole) {
			t.Fatalf("%q, where net/http reads %q", whole, theirs)
		}
	})
}
