package fanout

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Unheard returns for how long a TCP peer has acknowledged nothing, not even a
// probe, and whether something waits for that; 0 and false where it is not
// known.
func Unheard(conn net.Conn) (silence time.Duration, waiting bool) {
	if inner, ok := conn.(interface{ NetConn() net.Conn }); ok { // of TLS
		conn = inner.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return 0, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, false
	}
	raw.Control(func(fd uintptr) {
		n, err := unacknowledged(int(fd))
		silence, waiting = unheard(int(fd)), err == nil && n > 0
	})
	return silence, waiting
}

// unacknowledged returns how many bytes were written to a socket that its peer
// has not acknowledged; some may not be sent yet.
func unacknowledged(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.SIOCOUTQ) }

// unheard returns how long ago a socket's peer acknowledged anything.
func unheard(fd int) time.Duration {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0
	}
	return time.Duration(info.Last_ack_recv) * time.Millisecond
}
