package socket

import (
	"bufio"
	"net"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"feedd/internal/problem"
)

// Wanted reports whether the client asks to speak WebSocket.
func Wanted(r *http.Request) bool {
	for _, v := range r.Header.Values("Upgrade") {
		for name := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(name), "websocket") {
				return true
			}
		}
	}
	return false
}

// accept upgrades the connection.
func accept(w http.ResponseWriter, r *http.Request) (*websocket.Conn, *takenConn, error) {
	u := &upgrade{ResponseWriter: w}
	// The gate has checked the origin.
	conn, err := websocket.Accept(u, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err == nil {
		return conn, u.taken, nil
	}
	if u.status == 0 { // the connection is taken over, or broken
		return nil, nil, http.ErrAbortHandler
	}
	return nil, nil, problem.BadRequest.With("this is no handshake of WebSocket: %s", err)
}

// upgrade keeps back the library's own error page, and keeps the connection
// that the library takes.
type upgrade struct {
	http.ResponseWriter
	status int // of a refusal
	taken  *takenConn
}

// Hijack implements http.Hijacker.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	u.taken = &takenConn{Conn: conn}
	return u.taken, buf, nil
}

// Unwrap is for http.ResponseController and the library.
func (u *upgrade) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (u *upgrade) WriteHeader(status int) {
	if status != http.StatusSwitchingProtocols {
		u.status = status
		return
	}
	u.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (u *upgrade) Write(b []byte) (int, error) {
	if u.status != 0 {
		return len(b), nil
	}
	return u.ResponseWriter.Write(b)
}
