// Package logqueue lets a server write its log without waiting for whoever
// reads it. What a pipe, a terminal or a disk does not take stays in a bounded
// queue; what has no room there is dropped and counted, and a line in the log
// says so once there is room again.
package logqueue

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// pieceBytes is how much goes out in one write, where no line is longer:
	// PIPE_BUF of Linux, up to which the lines of several writers into one pipe
	// do not mix (pipe(7)).
	pieceBytes = 4096
	// againAfter is how long a descriptor that takes nothing now, because
	// somebody else made it non-blocking, is left alone.
	againAfter = 10 * time.Millisecond
)

// Queue is an io.Writer that never waits and never fails. It keeps the order of
// what is written to it. Its methods may be called from any goroutine.
type Queue struct {
	out  io.Writer
	most int
	note func(lines uint64) []byte

	dropped atomic.Uint64
	kick    chan struct{} // has room for one
	ended   chan struct{} // closed when the writer is done
	abandon chan struct{} // closed when nobody waits for it any more

	mu      sync.Mutex // guards the rest
	pending []byte     // what the writer takes next
	lost    uint64     // lines that had no room behind pending
	held    int        // bytes that the writer has taken and not written
	closed  bool

	// These are the writer's alone.
	untold uint64 // lines that were dropped, and no line says so yet
	torn   bool   // the last line went out without its end
}

// New returns a queue for at most so many bytes on their way to out. When lines
// were dropped, what note returns for their number goes in their place; nil: no
// line says so. The queue has one goroutine, until Close.
func New(out io.Writer, bytes int, note func(lines uint64) []byte) *Queue {
	q := &Queue{
		out: out, most: bytes, note: note,
		kick: make(chan struct{}, 1), ended: make(chan struct{}), abandon: make(chan struct{}),
	}
	go q.run()
	return q
}

// Write takes whole lines, all of them or none. It returns len(p) and nil in
// either case.
func (q *Queue) Write(p []byte) (int, error) {
	q.mu.Lock()
	// Behind lines that were dropped nothing is taken before the writer has
	// come to that place, or the log would not say where they are missing.
	if q.closed || q.lost > 0 || q.held+len(q.pending)+len(p) > q.most {
		lines := countLines(p)
		q.lost += lines
		q.dropped.Add(lines)
	} else {
		q.pending = append(q.pending, p...)
	}
	q.mu.Unlock()
	select {
	case q.kick <- struct{}{}:
	default:
	}
	return len(p), nil
}

// Dropped returns how many lines were dropped: there was no room, or they could
// not be written.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Bytes returns how many bytes wait to be written.
func (q *Queue) Bytes() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held + len(q.pending)
}

// Close takes nothing more, and waits at most so long until what was taken is
// written. It reports whether it is. Where it is not, a write may still be under
// way, and it ends with the process.
func (q *Queue) Close(patience time.Duration) bool {
	q.mu.Lock()
	first := !q.closed
	q.closed = true
	q.mu.Unlock()
	if first {
		select {
		case q.kick <- struct{}{}:
		default:
		}
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-q.ended:
		return true
	case <-timer.C:
		if first {
			close(q.abandon)
		}
		return false
	}
}

// run is the writer.
func (q *Queue) run() {
	defer close(q.ended)
	var spare []byte
	for {
		q.mu.Lock()
		chunk, lost, closed := q.pending, q.lost, q.closed
		q.pending, q.lost, q.held = spare[:0], 0, len(chunk)
		q.mu.Unlock()
		for rest := chunk; len(rest) > 0; {
			piece := firstPiece(rest)
			rest = rest[len(piece):]
			q.send(piece)
			q.mu.Lock()
			q.held -= len(piece)
			q.mu.Unlock()
		}
		if q.untold += lost; lost > 0 {
			q.tell()
		}
		if spare = chunk; cap(spare) > 16*pieceBytes {
			spare = nil // a flood must not leave its traces
		}
		if len(chunk) > 0 || lost > 0 {
			continue
		}
		if closed {
			return
		}
		<-q.kick
	}
}

// send writes lines, or drops them.
func (q *Queue) send(piece []byte) {
	if q.tell() {
		piece = q.write(piece)
	}
	if len(piece) == 0 {
		return
	}
	lines := countLines(piece)
	q.dropped.Add(lines)
	q.untold += lines
}

// tell says how many lines were dropped, and reports whether there is nothing
// to be told any more.
func (q *Queue) tell() bool {
	if q.untold > 0 && (q.note == nil || len(q.write(q.note(q.untold))) == 0) {
		q.untold = 0
	}
	return q.untold == 0
}

// write writes b, behind the end of a line, and returns what could not be
// written: its lines, and the one that is torn, are lost.
func (q *Queue) write(b []byte) (rest []byte) {
	if q.torn && len(q.writeOut([]byte{'\n'})) > 0 {
		return b
	}
	return q.writeOut(b)
}

func (q *Queue) writeOut(b []byte) (rest []byte) {
	for len(b) > 0 {
		n, err := q.out.Write(b)
		if n > 0 {
			q.torn = b[n-1] != '\n'
			b = b[n:]
		}
		if errors.Is(err, syscall.EAGAIN) && q.wait() {
			continue
		}
		if err != nil {
			return b
		}
	}
	return nil
}

// wait lets a moment pass. It returns false when nobody waits any more.
func (q *Queue) wait() bool {
	select {
	case <-time.After(againAfter):
		return true
	case <-q.abandon:
		return false
	}
}

// firstPiece returns as many whole lines as make one write: at least one.
func firstPiece(b []byte) []byte {
	if len(b) <= pieceBytes {
		return b
	}
	if i := bytes.LastIndexByte(b[:pieceBytes], '\n'); i >= 0 {
		return b[:i+1]
	}
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1]
	}
	return b
}

func countLines(b []byte) uint64 { return uint64(max(1, bytes.Count(b, []byte{'\n'}))) }
