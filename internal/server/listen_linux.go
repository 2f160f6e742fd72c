package server

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unsentBytes is how much the kernel takes of what a peer has no room for yet, in
// bytes: what a worker writes at a time, so that the next write has all of it.
const unsentBytes = 64 << 10

// listen listens on a TCP address. What it accepts takes the options over.
//
// With the kernel's default a reader that takes nothing holds 4 MiB of the
// kernel's memory (P5), and one that is only slow is taken for stalled: a full
// buffer takes nothing more until a third of it is free.
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
