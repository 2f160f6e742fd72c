package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
)

// Requests that are wrong as HTTP, or nearly: each is answered, by net/http
// where it never reaches a handler, and stores nothing.
func TestBadInput_RequestsThatAreNoHTTP(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Access: api.Access{Hosts: []string{"127.0.0.1"}}}})
	host := "Host: " + s.Addr + "\r\n"
	post := "POST /feeds/f HTTP/1.1\r\n" + host + servertest.WithKey
	get := "GET /feeds/f HTTP/1.1\r\n" + host + "Accept: application/json\r\n"
	for _, c := range []struct {
		name    string
		status  int
		problem string // "" where net/http answers
		bytes   string
	}{
		{"a folded first line", 400, "", "GET /feeds/f HTTP/1.1\r\n folded: x\r\n" + host + "\r\n"},
		{"a folded length", 400, "", post + "Content-Length: 1\r\n 0\r\n\r\nxxxxxxxxxx"},
		{"a space before the colon", 400, "", get + "X : y\r\n\r\n"},
		{"NUL in a header", 400, "", get + "Last-Event-ID: a\x00b\r\n\r\n"},
		{"a thousand headers too many", 431, "", get + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 2000) + "\r\n"},
		{"no host", 400, "", "GET /feeds/f HTTP/1.1\r\n\r\n"},
		{"two hosts", 400, "", get + "Host: evil.example\r\n\r\n"},
		{"a bad host", 400, "", "GET /feeds/f HTTP/1.1\r\nHost: a b\r\n\r\n"},
		{"another host in the target", 421, "misdirected", "GET http://evil.example/feeds/f HTTP/1.1\r\n" + host + "\r\n"},
		{"hosts in one", 421, "misdirected", "GET /feeds/f HTTP/1.1\r\nHost: 127.0.0.1,evil.example\r\n\r\n"},
		{"two lengths", 400, "", post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"},
		{"a negative length", 400, "", post + "Content-Length: -1\r\n\r\nx"},
		{"a length with a sign", 400, "", post + "Content-Length: +1\r\n\r\nx"},
		{"a length of 2^64", 400, "", post + "Content-Length: 18446744073709551616\r\n\r\nx"},
		{"a length of 2^63-1", 413, "too-large", post + "Content-Length: 9223372036854775807\r\n\r\nx"},
		{"another coding", 501, "", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
		{"two codings", 501, "", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"},
		{"a bad chunk size", 400, "bad-request", post + "Transfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n"},
		{"a chunk of 2^72", 400, "bad-request", post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n0\r\n\r\n"},
		{"chunk extensions", 400, "bad-request", post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("e", 3000)+"\r\nx\r\n", 20) + "0\r\n\r\n"},
		{"a huge trailer", 400, "bad-request", post + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: " + strings.Repeat("y", 8000) + "\r\n\r\n"},
		{"chunks with bare line feeds", 400, "bad-request", post + "Transfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n"},
		{"an expectation that nobody knows", 417, "", post + "Expect: wonders\r\nContent-Length: 1\r\n\r\n"},
		{"the preface of HTTP/2", 404, "not-found", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{"a hello of TLS", 400, "", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n"},
		{"a version to come", 505, "", "GET /feeds/f HTTP/3.0\r\n" + host + "\r\n"},
		{"no version", 400, "", "GET /feeds/f\r\n\r\n"},
		{"CONNECT", 404, "not-found", "CONNECT " + s.Addr + " HTTP/1.1\r\n" + host + "\r\n"},
		{"a star", 404, "not-found", "GET * HTTP/1.1\r\n" + host + "\r\n"},
		{"an upgrade with a body", 400, "bad-request", "GET /feeds/f HTTP/1.1\r\n" + host + servertest.Handshake + "Content-Length: 3\r\n\r\nabc"},
		{"an upgrade in HTTP/1.0", 400, "bad-request", "GET /feeds/f HTTP/1.0\r\n" + host + servertest.Handshake + "\r\n"},
		{"a thousand selectors", 400, "bad-selector", "GET /feeds/" + strings.Repeat("a,", 999) + "a HTTP/1.1\r\n" + host + "\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := s.RawBytes(t, c.bytes)
			if c.problem != "" {
				a.MustProblem(t, c.status, c.problem)
			}
			a.MustStatus(t, c.status)
		})
	}
	if p := s.RawBytes(t, "GET /feeds/"+strings.Repeat("a,", 999)+"a HTTP/1.1\r\n"+host+"\r\n").MustProblem(t, 400, "bad-selector"); !strings.Contains(p.Detail, "max_selector_terms") {
		t.Errorf("%+v does not name the setting", p)
	}
	if n := s.Metric(`feedd_limit_hits_total{limit="max_selector_terms"}`); n != 2 {
		t.Errorf("feedd_limit_hits_total is %v, want 2", n)
	}
	s.MustStore(0)
}

// Obsolete line folding is a space (RFC 9112, 5.2), in whatever header.
func TestBadInput_FoldedHeadersAreOneLine(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	const body = "Content-Length: 1\r\n\r\nx"
	folded := "POST /feeds/f HTTP/1.1\r\nHost:\r\n\t" + s.Addr + "\r\nAuthorization: Bearer\r\n  " + servertest.Key + "\r\nIdempotency-Key: a\r\n b\r\n" + body
	s.RawBytes(t, folded).MustStatus(t, http.StatusCreated)
	plain := "POST /feeds/f HTTP/1.1\r\nHost: " + s.Addr + "\r\n" + servertest.WithKey + "Idempotency-Key: a b\r\n" + body
	s.RawBytes(t, plain).MustStatus(t, http.StatusOK)
	s.MustStore(1)
}

// A position is never an error, however it is presented: an EventSource would
// stop for good.
func TestBadInput_PresentedPositions(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	s.Put("f", "x")
	for name, header := range map[string]string{
		"twice":             "Last-Event-ID: 5\r\nLast-Event-ID: x\r\n",
		"very long":         "Last-Event-ID: " + strings.Repeat("9", 50_000) + "\r\n",
		"cut in a letter":   "Last-Event-ID: " + strings.Repeat("€", 100) + "\r\n",
		"not UTF-8":         "Last-Event-ID: \xff\xfe\r\n",
		"with a tabulator":  "Last-Event-ID: a\tb\r\n",
		"folded":            "Last-Event-ID: 1\r\n 2\r\n",
		"and other headers": strings.Repeat("X-Y: z\r\n", 500) + "Last-Event-ID: -1\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			for _, accept := range []string{"text/event-stream", servertest.LinesType} {
				c := s.Dial(0)
				fmt.Fprintf(c, "GET /feeds/f HTTP/1.1\r\nHost: %s\r\nAccept: %s\r\n%s\r\n", s.Addr, accept, header)
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil || resp.StatusCode != http.StatusOK {
					t.Fatalf("%v %+v", err, resp)
				}
				lines := bufio.NewScanner(resp.Body)
				for lines.Scan() && !strings.Contains(lines.Text(), `"reason":"unknown"`) {
				}
				if strings.ToValidUTF8(lines.Text(), "") != lines.Text() || lines.Err() != nil {
					t.Errorf("the gap is %q, %v", lines.Text(), lines.Err())
				}
				c.Close()
			}
			ws := s.OpenRaw("f", 0, header)
			ws.Say(servertest.CloseFrame(1000))
			messages, code := ws.Texts()
			if code != 1000 {
				t.Errorf("%q, then %d", messages, code)
			}
		})
	}
	many := strings.Repeat("last_event_id=5&", 1000)
	s.Get("/feeds/f?"+many).MustStatus(t, http.StatusOK)
}

// What is pipelined behind the GET of a stream does no harm. A client that
// never sends its body gets its refusal, and is not waited for.
func TestP5_WhoSaysTooMuchOrTooLittle(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	c, in := s.OpenConn("f")
	io.WriteString(c, "\x00\xff\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n")
	s.Put("f", "x")
	if n := servertest.NewSSE(in).Note(); n.Data != "x" {
		t.Errorf("%+v instead of the item", n)
	}
	c.Close()

	began := time.Now()
	drips := s.Dial(0)
	fmt.Fprintf(drips, "POST /feeds/f HTTP/1.1\r\nHost: %s\r\nContent-Length: 100000\r\n\r\nx", s.Addr)
	resp, err := http.ReadResponse(bufio.NewReader(drips), nil)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Fatalf("%v %+v", err, resp)
	}
	if _, err := io.Copy(io.Discard, drips); err != nil && !servertest.IsEOF(err) {
		t.Logf("it ends with %v", err)
	}
	if took := time.Since(began); took > servertest.Patience/2 {
		t.Errorf("it was waited for %v", took)
	}
	s.MustStore(1)
}
