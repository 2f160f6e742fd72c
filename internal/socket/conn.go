package socket

import (
	"io"
	"net"
	"sync/atomic"
)

// takenConn is a connection that was taken over for a WebSocket.
type takenConn struct {
	net.Conn
	heard  atomic.Uint64 // rises with each sign of life from the client
	ended  atomic.Bool   // nothing more can be read
	linger atomic.Bool   // see Close
}

// Read implements net.Conn.
func (c *takenConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.heard.Add(1)
	}
	if err != nil {
		c.ended.Store(true)
	}
	return n, err
}

// Close implements net.Conn. After a farewell it reads what the client still
// sends, until the read deadline: a connection that is closed with something
// unread is reset, and the client may never see why it ended.
func (c *takenConn) Close() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.linger.Load() && half.CloseWrite() == nil {
		io.Copy(io.Discard, c.Conn)
	}
	return c.Conn.Close()
}

// cut closes the connection at once.
func (c *takenConn) cut() { c.Conn.Close() }
