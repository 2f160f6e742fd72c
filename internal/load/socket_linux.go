package load

import (
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// perSource is how many connections come from one address. Each takes a port, of
// which an address has 28,000 towards one server by default. Twice as many must do,
// because the kernel holds the old port for a minute after a reconnect.
const perSource = 12_000

// sourcesFor returns the addresses that n connections to target come from; nil:
// the system's choice.
func sourcesFor(target netip.Addr, n int) []netip.Addr {
	if n <= perSource || !target.Is4() || !target.IsLoopback() {
		return nil
	}
	var list []netip.Addr
	for i := range (n + perSource - 1) / perSource {
		// 127.0.0.1, 127.0.0.2, ... 127.0.1.0, ...
		k := i + 1
		list = append(list, netip.AddrFrom4([4]byte{127, 0, byte(k >> 8), byte(k)}))
	}
	return list
}

// stalledBuffer is the receive buffer of a subscriber that never reads, in
// bytes: as small as the kernel makes it.
const stalledBuffer = 2048

// connect begins a connection and returns its socket.
func connect(to netip.AddrPort, from netip.Addr, stalled bool) (fd int, err error) {
	family := unix.AF_INET6
	if to.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if stalled {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, stalledBuffer); err != nil {
			return -1, fmt.Errorf("set the receive buffer: %w", err)
		}
	}
	if from.IsValid() {
		// The port is chosen by connect, which knows the other end and so has
		// them all.
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return -1, fmt.Errorf("prepare to bind: %w", err)
		}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: from.As4()}); err != nil {
			return -1, fmt.Errorf("bind to %s: %w", from, err)
		}
	}
	if err := unix.Connect(fd, socketAddress(to)); err != nil && err != unix.EINPROGRESS {
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

func socketAddress(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}

// socketError returns how a connect ended.
func socketError(fd int) error {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = syscall.Errno(code)
	}
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

// readSocket is read(2) without telling Go's scheduler, which is a large part
// of a read that cannot block.
func readSocket(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// abandon closes a socket at once and leaves nothing of the connection behind.
func abandon(fd int) {
	unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 0})
	unix.Close(fd)
}

// raiseFiles makes room for n descriptors more than Go needs by itself.
func raiseFiles(n int) error {
	const spare = 64 // for epoll, the report, and what a caller has open
	need := uint64(n + spare)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Cur >= need {
		return nil
	}
	want := unix.Rlimit{Cur: max(need, limit.Max), Max: max(need, limit.Max)}
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &want) == nil {
		return nil
	}
	want = unix.Rlimit{Cur: limit.Max, Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &want); err != nil {
		return err
	}
	if limit.Max < need {
		return fmt.Errorf("this needs %d file descriptors, and the limit is %d (ulimit -Hn)", need, limit.Max)
	}
	return nil
}
