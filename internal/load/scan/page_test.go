package scan

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

// However an answer is cut into reads and framed, its items and its cursor come
// out of it, and what follows it does not disturb.
func TestPageIsReadInAnyPieces(t *testing.T) {
	m := Mark{Run: 1, Pub: 2, Seq: 3, All: 4, At: 5}
	item := `{"id":"7","data":{"bench":"` + string(appendMark(nil, &m)) + `","fill":"~xx"}}`
	page := `{"items":[` + item + `,` + item + `],"cursor":"42","more":false}` + "\n"
	empty := `{"items":[],"cursor":"43","more":false,"gap":{"after":"1"}}` + "\n"
	counted := func(head, body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
	}
	for _, tc := range []struct {
		name, answer, cursor string
		items, gaps          int
		last                 bool
	}{
		{"counted", counted("", page), "42", 2, 0, false},
		{"the last", counted("Connection: close\r\n", page), "42", 2, 0, true},
		{"an interim one", "HTTP/1.1 103 Early Hints\r\n\r\n" + counted("", page), "42", 2, 0, false},
		{"chunked", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(page), page), "42", 2, 0, false},
		{"a gap", counted("", empty), "43", 0, 1, false},
	} {
		for piece := 1; piece <= len(tc.answer); piece++ {
			p := &Parser{}
			p.Lines.Pages = true
			items, gaps := 0, 0
			emit := func(l *Lines) {
				switch {
				case l.Marked && l.Mark == m:
					items++
				case l.Gap:
					gaps++
				default:
					t.Errorf("%s in pieces of %d: %+v", tc.name, piece, l.Mark)
				}
			}
			for range 2 { // on one connection
				var err error
				for rest := tc.answer; rest != "" && err == nil; {
					buf := make([]byte, Headroom+1<<16)
					n := copy(buf[Headroom:], rest[:min(piece, len(rest))])
					rest = rest[n:]
					err = p.Take(buf, n, emit)
				}
				if !errors.Is(err, io.EOF) || p.Closes != tc.last || string(p.Lines.Position()) != tc.cursor {
					t.Fatalf("%s in pieces of %d: %v, last %v, at %q", tc.name, piece, err, p.Closes, p.Lines.Position())
				}
				p.Restart()
			}
			if items != 2*tc.items || gaps != 2*tc.gaps {
				t.Errorf("%s in pieces of %d: %d items and %d gaps", tc.name, piece, items, gaps)
			}
		}
	}
}
