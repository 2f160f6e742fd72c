//go:build linux && !portable

package fanout

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// epoll reports events on the connections of a shard.
//
// Its epoll instance is itself polled by the Go runtime, so that no thread
// sits in epoll_wait.
type epoll struct {
	fd   int
	file *os.File
	raw  syscall.RawConn
}

// event is what happened on the connection in a slot.
type event struct {
	slot, gen uint32
	kind      uint32 // of unix.EPOLL*
}

// watched is asked for once for each connection. With edges (EPOLLET) the
// kernel tells of room only after a write found none, so there is nothing to
// switch on and off.
const watched = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

func newEpoll() (*epoll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	// The Go runtime polls only descriptors that do not block.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set an epoll descriptor to not block: %w", err)
	}
	p := &epoll{fd: fd, file: os.NewFile(uintptr(fd), "epoll")}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		return nil, fmt.Errorf("poll an epoll descriptor: %w", err)
	}
	return p, nil
}

// add begins to watch a connection. Closing it ends that.
//
// The kernel gives a closed descriptor's number to the next connection, so an
// event names a slot and how often the slot was filled.
func (p *epoll) add(fd int, slot, gen uint32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{
		Events: watched, Fd: int32(slot), Pad: int32(gen),
	})
}

// remove ends the watching of a connection that is not closed.
func (p *epoll) remove(fd int) {
	unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, nil)
}

// run reports events until the epoll is closed.
func (p *epoll) run(report func([]unix.EpollEvent)) {
	var events [256]unix.EpollEvent
	for {
		n := 0
		err := p.raw.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events[:], 0) // an interruption counts as nothing
			return n > 0
		})
		if err != nil {
			return
		}
		report(events[:n])
	}
}

func (p *epoll) close() { p.file.Close() }
