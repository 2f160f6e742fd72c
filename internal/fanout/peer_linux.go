package fanout

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Unheard returns for how long a TCP peer has acknowledged nothing, not even a
// probe, and whether something waits for an acknowledgement; 0 and false if
// that is not known.
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

// unacknowledged returns how many bytes that were written to a socket its peer
// has not acknowledged. Some of them may not be sent yet.
func unacknowledged(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.SIOCOUTQ) }

// unheard returns how long ago a socket's peer acknowledged anything.
func unheard(fd int) time.Duration {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0
	}
	return time.Duration(info.Last_ack_recv) * time.Millisecond
}

// PeerEnded reports whether the peer of a connection has ended its sending
// half, or all of it, behind bytes that are not read yet; or whether these are
// more than most, which may keep its end from arriving. It is for handlers that
// wait and do not read meanwhile. If the kernel cannot tell, it returns false.
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

// unread returns how many bytes of a socket's peer wait to be read.
func unread(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil {
		return 0
	}
	return n
}
