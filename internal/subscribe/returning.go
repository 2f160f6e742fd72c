package subscribe

import (
	"errors"
	"net"
	"sync"
)

// returning is the listener of the connections that the shards give back.
type returning struct {
	addr net.Addr
	news chan struct{} // there is something in list, or it is closed

	mu     sync.Mutex // guards the rest
	list   []net.Conn
	closed bool
}

// Returning returns a second listener for the http.Server that already serves
// the network at addr. It accepts the connections of answered polls when their
// peers ask for something else. Without it every long poll keeps a goroutine.
// It is called once, before anything is served.
func (rs *Readers) Returning(addr net.Addr) net.Listener {
	rs.returning = &returning{addr: addr, news: make(chan struct{}, 1)}
	return rs.returning
}

func (l *returning) put(conn net.Conn) {
	l.mu.Lock()
	closed := l.closed
	if !closed {
		l.list = append(l.list, conn)
	}
	l.mu.Unlock()
	if closed {
		conn.Close()
		return
	}
	l.tell()
}

func (l *returning) tell() {
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// Accept waits for the next connection.
func (l *returning) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return nil, net.ErrClosed
		}
		if len(l.list) > 0 {
			conn := l.list[0]
			l.list[0] = nil
			if l.list = l.list[1:]; len(l.list) == 0 {
				l.list = nil
			}
			l.mu.Unlock()
			return conn, nil
		}
		l.mu.Unlock()
		<-l.news
	}
}

// Close closes the connections that were not accepted.
func (l *returning) Close() error {
	l.mu.Lock()
	list := l.list
	l.closed, l.list = true, nil
	l.mu.Unlock()
	for _, conn := range list {
		conn.Close()
	}
	l.tell()
	return nil
}

func (l *returning) Addr() net.Addr { return l.addr }

// aheadConn is a connection of which something was read already.
type aheadConn struct {
	net.Conn
	early []byte
}

// NetConn returns the connection itself, for what looks at its socket.
func (c *aheadConn) NetConn() net.Conn { return c.Conn }

// CloseWrite ends the sending half, if the connection has halves.
func (c *aheadConn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

func (c *aheadConn) Read(b []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(b, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}
