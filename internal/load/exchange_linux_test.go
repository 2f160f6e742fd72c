package load

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"
)

// talk is a server that answers each request on its connections with the next
// of the replies, as they are, and closes when there are no more.
func talk(t *testing.T, replies ...string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for len(replies) > 0 {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(conn)
			for len(replies) > 0 {
				if _, err := http.ReadRequest(in); err != nil {
					break
				}
				conn.Write([]byte(replies[0]))
				replies = replies[1:]
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

var request = []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")

func TestExchange(t *testing.T) {
	for _, tc := range []struct {
		rule, reply string
		want        answer
		err         string
	}{
		{"a counted body", "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello", answer{201, "", true}, ""},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n", answer{204, "", true}, ""},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", answer{200, "", true}, ""},
		{"chunks outrank a length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n0\r\n\r\n", answer{200, "", true}, ""},
		{"a body up to the end", "HTTP/1.1 200 OK\r\n\r\nhello", answer{200, "", false}, ""},
		{"the server closes", "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", answer{200, "", false}, ""},
		{"HTTP/1.0 closes", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", answer{200, "", false}, ""},
		{"an interim answer comes before", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", answer{200, "", true}, ""},
		{"of a refusal the beginning is kept", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 400\r\n\r\n" + strings.Repeat("x", 400), answer{401, strings.Repeat("x", maxNote), true}, ""},
		{"a cut body is an error", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", answer{}, "unexpected EOF"},
		{"a cut head is an error", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", answer{}, "unexpected EOF"},
		{"bad chunks are an error", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", answer{}, "invalid byte in chunk length"},
		{"what is no HTTP is an error", "hello\r\n\r\n", answer{}, "malformed HTTP"},
	} {
		x := newExchange(talk(t, tc.reply))
		if err := x.connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := x.do(request)
		switch {
		case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
			t.Errorf("%s: the error is %v, want %s", tc.rule, err, tc.err)
		case tc.err == "" && (err != nil || got != tc.want):
			t.Errorf("%s: %+v, %v; want %+v", tc.rule, got, err, tc.want)
		case (x.conn != nil) != (err == nil && tc.want.keep):
			t.Errorf("%s: the connection is open: %v", tc.rule, x.conn != nil)
		}
		x.close()
	}
}

func TestConnectionIsUsedAgain(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	x := newExchange(talk(t, ok, ok))
	defer x.close()
	var first net.Conn
	for range 2 {
		if err := x.connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a, err := x.do(request); err != nil || a.status != 200 {
			t.Fatal(a, err)
		}
		if first == nil {
			first = x.conn
		}
	}
	if x.conn != first {
		t.Error("there was a second connection")
	}
}

// TestConnectionThatTheServerClosedIsNotUsed: servers close idle connections;
// a publish must not be lost to that.
func TestConnectionThatTheServerClosedIsNotUsed(t *testing.T) {
	x := newExchange(talk(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	defer x.close()
	if err := x.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := x.do(request); err != nil {
		t.Fatal(err)
	}
	// Waits for the end, and takes nothing.
	if _, err := x.in.Peek(1); err == nil {
		t.Fatal("the server said something")
	}
	if !closedByPeer(x.conn) {
		t.Error("the end was not noticed")
	}
}
