package servertest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Poller is a client that asks for pages on one connection.
type Poller struct {
	s    *Server
	Conn *net.TCPConn
	in   *bufio.Reader
}

func (s *Server) Poller() *Poller { return s.PollerWith(0) }

// PollerWith makes one with a receive buffer of buffer bytes.
func (s *Server) PollerWith(buffer int) *Poller {
	s.T.Helper()
	c := s.Dial(buffer)
	return &Poller{s, c, bufio.NewReader(c)}
}

// Ask sends requests for JSON, as they are: METHOD PATH, and header lines.
func (p *Poller) Ask(requests ...string) {
	p.s.T.Helper()
	var b strings.Builder
	for _, r := range requests {
		line, header, _ := strings.Cut(r, "\n")
		if !strings.Contains(line, " HTTP/") {
			line += " HTTP/1.1"
		}
		fmt.Fprintf(&b, "%s\r\nHost: %s\r\nAccept: application/json\r\n", line, p.s.Addr)
		if header != "" {
			b.WriteString(strings.ReplaceAll(header, "\n", "\r\n") + "\r\n")
		}
		b.WriteString("\r\n")
	}
	p.Conn.SetDeadline(time.Now().Add(Patience))
	if _, err := io.WriteString(p.Conn, b.String()); err != nil {
		p.s.T.Fatal(err)
	}
}

// Answer reads an answer.
func (p *Poller) Answer() Answer {
	p.s.T.Helper()
	p.Conn.SetDeadline(time.Now().Add(Patience))
	resp, err := http.ReadResponse(p.in, nil)
	if err != nil {
		p.s.T.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.s.T.Fatal(err)
	}
	if resp.Close {
		resp.Header.Set("Connection", "close") // where http.ReadResponse leaves it out
	}
	return Answer{resp.StatusCode, resp.Header, string(body)}
}

func (p *Poller) Page() (pg Page) {
	p.s.T.Helper()
	p.Answer().MustStatus(p.s.T, http.StatusOK).Decode(p.s.T, &pg)
	return pg
}

// MustEnd fails the test unless the server ends the connection.
func (p *Poller) MustEnd() {
	p.s.T.Helper()
	if _, err := p.in.ReadByte(); !IsEOF(err) {
		p.s.T.Errorf("the connection does not end, but %v", err)
	}
}

// MustWait waits until n subscribers are there.
func (s *Server) MustWait(n float64) {
	s.T.Helper()
	Eventually(s.T, fmt.Sprintf("%v wait", n), func() bool { return s.Metric("feedd_subscribers") == n })
}
