package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dialTimeout = 5 * time.Second
	// answerTimeout is longer than the 30 s after which feedd says itself that a
	// commit takes too long: what it says is the cause of the failure.
	answerTimeout = 40 * time.Second
	// idleLimit is after how long a kept connection is looked at before it is
	// used again: servers close those that nobody uses.
	idleLimit = time.Second
	// maxNote is how much of a refusal's body is kept, in bytes.
	maxNote = 300
)

// exchange is a connection for one request after another. It costs less than
// net/http's client, which matters when publishing is not throttled.
type exchange struct {
	addr string
	conn net.Conn // nil: not connected
	in   *bufio.Reader
	used time.Time // last
	buf  []byte    // for bodies
}

// answer is what a server said to a publish.
type answer struct {
	status int
	note   string // the beginning of the body, unless status is 2xx
	keep   bool   // the connection can be used again
}

func newExchange(addr string) *exchange {
	return &exchange{addr: addr, in: bufio.NewReader(nil), buf: make([]byte, 4096)}
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

// read reads an answer, and interim ones before it.
func (x *exchange) read() (answer, error) {
	for {
		a, length, err := x.readHead()
		if err != nil {
			return a, err
		}
		if a.status >= 200 {
			return a, x.readBody(&a, length)
		}
	}
}

// The length of a body that is not counted.
const (
	lengthChunked = -1
	lengthToEnd   = -2
)

func (x *exchange) readHead() (a answer, length int64, err error) {
	status, err := x.line()
	if err != nil {
		return a, 0, err
	}
	version, code, _ := strings.Cut(status, " ")
	code, _, _ = strings.Cut(code, " ")
	if a.status, err = strconv.Atoi(code); err != nil || !strings.HasPrefix(version, "HTTP/1.") || a.status < 100 {
		return a, 0, errHead
	}
	a.keep = version != "HTTP/1.0"
	length = lengthToEnd
	for {
		field, err := x.line()
		if err != nil {
			return a, 0, err
		}
		if field == "" {
			break
		}
		name, value, _ := strings.Cut(field, ":")
		value = strings.TrimSpace(value)
		switch {
		case strings.EqualFold(name, "Content-Length") && length != lengthChunked:
			if length, err = strconv.ParseInt(value, 10, 64); err != nil || length < 0 {
				return a, 0, errHead
			}
		case strings.EqualFold(name, "Transfer-Encoding"):
			length = lengthChunked
		case strings.EqualFold(name, "Connection"):
			a.keep = !strings.EqualFold(value, "close")
		}
	}
	if a.status < 200 || a.status == 204 || a.status == 304 {
		length = 0
	}
	return a, length, nil
}

func (x *exchange) line() (string, error) {
	b, err := x.in.ReadSlice('\n')
	if err != nil {
		return "", fmt.Errorf("read the answer: %w", noEOF(err))
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// readBody reads the body to its end. What lies in the buffer can only be this
// answer's: there is one request at a time.
func (x *exchange) readBody(a *answer, length int64) error {
	var chunks dechunker
	a.keep = a.keep && length != lengthToEnd
	for left := length; left != 0; {
		b := x.buf
		if left > 0 {
			b = b[:min(left, int64(len(b)))]
		}
		n, err := x.in.Read(b)
		end := false
		if length == lengthChunked && err == nil {
			n, err = chunks.strip(b[:n])
			end, err = err == io.EOF, noChunkEnd(err)
		}
		if a.status >= 300 && len(a.note) < maxNote {
			a.note += string(b[:min(n, maxNote-len(a.note))])
		}
		if left > 0 {
			left -= int64(n)
		}
		switch {
		case end, err == io.EOF && length == lengthToEnd:
			return nil
		case err != nil:
			return fmt.Errorf("read the answer: %w", noEOF(err))
		}
	}
	return nil
}

func noChunkEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
