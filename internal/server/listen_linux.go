package server

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unsentBytes is how many bytes the kernel takes that a peer has no room for
// yet: as many as a worker writes at a time, so that the kernel takes the next
// write whole.
const unsentBytes = 64 << 10

// listen listens on a TCP address. Accepted connections inherit its options.
//
// With the kernel's default a reader that takes nothing would hold 4 MiB of the
// kernel's memory (P5). And a slow reader would seem to have stalled, because a
// full buffer takes nothing more until a third of it is free.
func listen(address string, patience time.Duration) (net.Listener, error) {
	config := net.ListenConfig{KeepAliveConfig: keepAlive(patience), Control: func(_, _ string, c syscall.RawConn) error {
		var set error
		err := c.Control(func(fd uintptr) {
			set = errors.Join(
				unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentBytes),
				// The kernel tells how much lies unread, but not behind urgent data.
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_OOBINLINE, 1),
			)
		})
		return errors.Join(err, set)
	}}
	// A socket of MPTCP, the default of a listener, may not know the options.
	config.SetMultipathTCP(false)
	return config.Listen(context.Background(), "tcp", address)
}
