package main

import (
	"fmt"
	"net"
	"runtime"

	"golang.org/x/sys/unix"
)

// fanout writes items to subscribers. All but the channels belongs to the
// goroutine of run.
type fanout struct {
	subscribers chan int // descriptors
	items       chan []byte
	asked       chan chan stats

	fds  []int
	id   uint64
	buf  []byte
	seen stats
}

// stats count what did not reach a subscriber.
type stats struct {
	full  uint64 // writes that the kernel had no room for, so the item was left out
	short uint64 // subscribers that took a part of an item, and were cut
	gone  uint64 // subscribers that had gone
}

func newFanout() *fanout {
	return &fanout{subscribers: make(chan int), items: make(chan []byte), asked: make(chan chan stats)}
}

func (f *fanout) stats() stats {
	answer := make(chan stats)
	f.asked <- answer
	return <-answer
}

// run has a thread to itself, so that no other goroutine takes part in the
// loop's time.
func (f *fanout) run() {
	runtime.LockOSThread()
	for {
		select {
		case fd := <-f.subscribers:
			f.fds = append(f.fds, fd)
		case data := <-f.items:
			f.id++
			f.buf = event(f.buf[:0], f.id, data)
			f.deliver(f.buf)
		case answer := <-f.asked:
			answer <- f.seen
		}
	}
}

// deliver writes to every subscriber, in order, and keeps those that are whole.
func (f *fanout) deliver(b []byte) {
	whole := f.fds[:0]
	for _, fd := range f.fds {
		n, err := unix.Write(fd, b)
		switch {
		case err == unix.EAGAIN:
			f.seen.full++
		case err != nil:
			f.seen.gone++
			unix.Close(fd)
			continue
		case n < len(b):
			f.seen.short++
			unix.Close(fd)
			continue
		}
		whole = append(whole, fd)
	}
	f.fds = whole
}

// duplicate returns a descriptor of the connection that Go's runtime does not
// know. It does not block, as the connection's own does not.
func duplicate(conn *net.TCPConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	var failed error
	if err := raw.Control(func(own uintptr) { fd, failed = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return -1, err
	}
	if failed != nil {
		return -1, fmt.Errorf("duplicate the descriptor: %w", failed)
	}
	return fd, nil
}
