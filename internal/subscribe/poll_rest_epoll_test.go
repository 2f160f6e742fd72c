//go:build linux && !portable

package subscribe_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"feedd/internal/server/servertest"
)

// Who takes an answer in parts gets the rest of that answer, whatever the shard
// has put together for others meanwhile.
func TestP1_TheRestOfAnAnswerIsItsOwn(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, SendBuffer: 4 << 10})
	var polls []*bufio.Reader
	for range 4 { // some for each shard
		c := s.Dial(2 << 10)
		fmt.Fprintf(c, "GET /feeds/big?wait=20s&since=now HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n\r\n", s.Addr)
		polls = append(polls, bufio.NewReader(c))
	}
	var streams []*servertest.Reader
	for range 8 {
		streams = append(streams, servertest.OpenSSE(s, "other"))
	}
	for _, total := s.Listed(""); total < 12; _, total = s.Listed("") {
	}
	want := strings.Repeat("poll ", 40<<10) // more than the socket takes
	s.Put("big", want)
	for i := range 20 {
		text := strings.Repeat(fmt.Sprint(i%10), 20<<10)
		s.Put("other", text)
		for _, r := range streams {
			if n := r.Item(); n.Data != text {
				t.Fatal("a stream is damaged")
			}
		}
	}
	for i, in := range polls {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		var p struct{ Items []struct{ Data string } }
		if err == nil {
			err = json.Unmarshal(body, &p)
		}
		if err != nil || len(p.Items) != 1 || p.Items[0].Data != want {
			t.Errorf("answer %d is damaged: %d bytes, %v", i, len(body), err)
		}
	}
}

// Answers that are not read cost no more than they may (P6), and a client that
// is cut for it asks again.
func TestP6_AnswersThatNobodyReadAreBounded(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, SendBuffer: 4 << 10})
	for limit := range 90 { // answers of their own
		c := s.Dial(2 << 10)
		fmt.Fprintf(c, "GET /feeds/big?wait=20s&since=now&limit=%d HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n\r\n", limit+1, s.Addr)
	}
	for _, total := s.Listed(""); total < 90; _, total = s.Listed("") {
	}
	s.Put("big", strings.Repeat("x", 1000<<10))
	// 64 MiB of them are kept, the others go.
	for n := s.Subscribers(); n > 66 || n < 40; n = s.Subscribers() {
		if n < 40 {
			t.Fatalf("only %d wait", n)
		}
	}
	if got := s.Page("big?last=1&limit=1"); len(got.Items) != 1 {
		t.Errorf("there are %d items", len(got.Items))
	}
}
