package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// dialTimeout leaves the kernel time to repeat a SYN twice, after 1 and 3 s, when
	// the server's queue of new connections is full.
	dialTimeout = 5 * time.Second
	// answerTimeout is longer than the 30 s after which feedd says itself that a
	// commit takes too long: what it says is the cause of the failure.
	answerTimeout = 40 * time.Second
	// idleLimit is after how long without use a connection is looked at before it is
	// used again: servers close idle connections, after a few seconds at the earliest.
	idleLimit = time.Second
	// maxNote is how many bytes of a refusal's body are kept: a sentence or two.
	maxNote = 300
)

// exchange is a connection for one request after another. net/http reads the
// answers, but its client has two goroutines for each connection, which cost as
// much as the server does when publishing is not throttled.
type exchange struct {
	addr string
	conn net.Conn // nil: not connected
	in   *bufio.Reader
	used time.Time // last
}

// answer is what a server said to a publish.
type answer struct {
	status int
	note   string // the beginning of the body, unless status is 2xx
	keep   bool   // the connection can be used again
}

func newExchange(addr string) *exchange {
	return &exchange{addr: addr, in: bufio.NewReader(nil)}
}

func (x *exchange) close() {
	if x.conn != nil {
		x.conn.Close()
		x.conn = nil
	}
}

// connect makes sure that there is a connection which the server has not
// closed.
func (x *exchange) connect(ctx context.Context) error {
	if x.conn != nil && time.Since(x.used) > idleLimit && closedByPeer(x.conn) {
		x.close()
	}
	if x.conn != nil {
		return nil
	}
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", x.addr)
	if err != nil {
		return err
	}
	x.conn = conn
	x.in.Reset(conn)
	return nil
}

// closedByPeer reports whether there is something to read where nothing was
// asked for: the end, or a farewell.
func closedByPeer(conn net.Conn) bool {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return true
	}
	var silent bool
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		silent = errors.Is(err, unix.EAGAIN)
		return true
	})
	return err != nil || !silent
}

// do sends a request on the connection and reads the answer. After an error
// the connection is closed.
func (x *exchange) do(request []byte) (answer, error) {
	x.conn.SetDeadline(time.Now().Add(answerTimeout))
	_, err := x.conn.Write(request)
	var a answer
	if err == nil {
		a, err = x.read()
	}
	if err != nil || !a.keep {
		x.close()
	}
	x.used = time.Now()
	return a, err
}

// post is the request that answers are read as those of.
var post = &http.Request{Method: http.MethodPost}

// read reads an answer, and interim ones before it.
func (x *exchange) read() (a answer, err error) {
	var r *http.Response
	for r == nil || r.StatusCode < 200 {
		if r, err = http.ReadResponse(x.in, post); err != nil {
			return a, fmt.Errorf("read the answer: %w", err)
		}
	}
	a.status, a.keep = r.StatusCode, !r.Close
	if a.status >= 300 {
		note, err := io.ReadAll(io.LimitReader(r.Body, maxNote))
		if a.note = string(note); err != nil {
			return a, fmt.Errorf("read the answer: %w", err)
		}
	}
	// To its end, behind which the next answer begins.
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return a, fmt.Errorf("read the answer: %w", err)
	}
	return a, nil
}
