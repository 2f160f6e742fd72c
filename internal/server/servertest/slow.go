package servertest

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Number returns the first element of what putMany publishes.
func Number(t testing.TB, data string) int {
	t.Helper()
	text, _, _ := strings.Cut(strings.TrimPrefix(data, "["), ",")
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("data %.40q: %v", data, err)
	}
	return n
}

// slow is a connection whose owner does not read.
type slow struct {
	s    *Server
	body io.Reader
}

// SlowReader opens a stream on a connection with a small receive buffer, and
// reads no more than the opening.
func (s *Server) SlowReader(path string, tr Transport) (*slow, *bufio.Reader) {
	s.T.Helper()
	accept := "text/event-stream"
	if tr.Name == "ndjson" {
		accept = LinesType
	} else if !tr.plain {
		path = With(path, "envelope=true")
	}
	c := s.Dial(4096)
	fmt.Fprintf(c, "GET /feeds/%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nAccept: %s\r\n\r\n", path, s.Addr, Key, accept)
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.T.Fatalf("%v %+v", err, resp)
	}
	in := bufio.NewReaderSize(resp.Body, 512)
	sl := &slow{s, resp.Body}
	if n := sl.Reader(in, tr)(); n.Kind != Opening {
		s.T.Fatalf("%+v instead of the opening", n)
	}
	c.SetDeadline(time.Now().Add(2 * Patience))
	return sl, in
}

// Reader returns what reads on.
func (sl *slow) Reader(in *bufio.Reader, tr Transport) func() Note {
	if tr.Name == "ndjson" {
		return func() Note { return lineNote(sl.s.T, in) }
	}
	e := NewSSE(in)
	return func() Note {
		n := e.Note()
		if n.Kind == AnItem && !tr.plain {
			var it Item
			Answer{Body: n.Data}.Decode(sl.s.T, &it)
			n.Data, n.text = plainData(it.Data)
		}
		return n
	}
}
