package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"feedd/internal/client"
)

// canned answers one request with a stream.
type canned struct{ body io.Reader }

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(c.body), Request: r,
	}, nil
}

// byTheStandard reads a whole stream as the HTML standard (9.2.6) says, line by
// line: the events that have data, and the last event id of each block.
func byTheStandard(in []byte) (events []string) {
	s := strings.ReplaceAll(string(bytes.TrimPrefix(in, []byte("\ufeff"))), "\r\n", "\n")
	lines := strings.Split(strings.ReplaceAll(s, "\r", "\n"), "\n")
	id, name, data := "", "", ""
	for _, line := range lines[:len(lines)-1] { // what follows the last line end is no line
		if line == "" {
			if data = strings.TrimSuffix(data, "\n"); data != "" {
				if name == "message" {
					name = ""
				}
				events = append(events, fmt.Sprintf("%q %q %q", name, id, data))
			}
			name, data = "", ""
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data += value + "\n"
		case "id":
			carried := !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
			if carried { // the standard leaves out only NUL; a header the others too
				id = value
			}
		}
	}
	return events
}

// FuzzStandard compares with a plain reading by the standard, of streams that
// are UTF-8.
func FuzzStandard(f *testing.F) {
	for _, s := range []string{
		"data: x\n\n", "id: 1\ndata: x\n\nid\ndata\ndata:y\n\n", "event: a\revent\rdata: x\r\r", "\ufeffid:1\r\nid:\x00\r\ndata: :\r\n\r\n",
		":\n\n:x\ndata:  a\n: b\ndata:c\nid:  \n\n", "retry: too large\ndata: x\n\nretry:1\n\n", "idx: 1\ndatax: 1\neventx\n\ndata: a\n\ndata: b",
		"event: gap\ndata: x\n\nevent: message\ndata: {}\n\n", "data: \x00\nid: \t\n\ndata:\ndata:\n\n", "id: a\nid\n\ndata: x\n\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = bytes.ToValidUTF8(in, []byte("?"))
		want := byTheStandard(in)
		for name, body := range map[string]io.Reader{
			"whole": bytes.NewReader(in), "by byte": iotest.OneByteReader(bytes.NewReader(in)),
		} {
			ctx, cancel := context.WithCancel(t.Context())
			c, err := client.New(client.Config{
				Server: "a", Transport: canned{body}, Notify: func(error, time.Duration) { cancel() },
			})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			closed := false
			err = c.FollowURL(ctx, "http://a/", client.URLOptions{}, func(e client.Event) error {
				if e.Gap != nil {
					closed = true
				}
				if len(e.Data) > 0 {
					got = append(got, fmt.Sprintf("%q %q %q", e.Name, e.ID, e.Data))
				}
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if closed || bytes.Contains(in, []byte("closing")) {
				return // feedd's own notices are not the standard's
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	})
}
