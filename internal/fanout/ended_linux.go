package fanout

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// PeerEnded reports whether the peer of a connection has ended its sending
// half, or all of it, behind whatever it sent and nobody has read; or whether
// that is more than most bytes, which may keep its end from arriving. It is for
// whoever does not read while it waits, and false where it is not known.
func PeerEnded(conn net.Conn, most int) (ended bool) {
	if inner, ok := conn.(interface{ NetConn() net.Conn }); ok { // of TLS
		conn = inner.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(poll, 0) // an interruption counts as nothing
		ended = err == nil && n > 0 || unread(int(fd)) > most
	})
	return ended
}

// unread returns how many bytes have come from a socket's peer that nobody has
// read.
func unread(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil {
		return 0
	}
	return n
}
