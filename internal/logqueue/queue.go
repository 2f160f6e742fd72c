// Package logqueue lets a server write its log without waiting for its reader.
// Lines that a pipe, a terminal or a disk does not take stay in a bounded queue.
// Lines that have no room there are dropped and counted, and a line in the log
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
	// pieceBytes is how much goes out in one write, if no line is longer:
	// PIPE_BUF of Linux, up to which the lines of several writers into one pipe
	// do not mix (pipe(7)).
	pieceBytes = 4096
	// spareBytes is how much memory is kept for the next lines: some hundred
	// lines fit. A flood of lines makes it larger for a while.
	spareBytes = 16 * pieceBytes
	// againAfter is the wait before another write if the descriptor takes nothing
	// now, as when another process made it non-blocking. A hundred tries a second
	// cost hardly any CPU time.
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
	abandon chan struct{} // closed when Close has stopped waiting

	mu      sync.Mutex // guards the rest
	pending []byte     // what the writer takes next
	lost    uint64     // lines that had no room behind pending
	held    int        // bytes that the writer has taken and not written
	closed  bool

	// These are the writer's alone.
	unnoted uint64 // lines that were dropped, and no line says so yet
	torn    bool   // the last line went out without its end
}

// New returns a queue for at most the given number of bytes on their way to out.
// If lines were dropped, the line that note returns for their number takes their
// place; a nil note writes none. The queue has one goroutine, until Close.
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
	// After lines were dropped none is taken until the writer has come to that
	// place, else the log would not show where they are missing.
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

// Close drops all further lines, and waits until those that were taken are
// written, at most for patience. It reports whether they are. If not, a write may
// still be under way, and it ends with the process.
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
		if q.unnoted += lost; lost > 0 {
			q.noteDropped()
		}
		if spare = chunk; cap(spare) > spareBytes {
			spare = nil
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
	if q.noteDropped() {
		piece = q.write(piece)
	}
	if len(piece) == 0 {
		return
	}
	lines := countLines(piece)
	q.dropped.Add(lines)
	q.unnoted += lines
}

// noteDropped writes how many lines were dropped, and reports whether there is
// nothing more to be noted.
func (q *Queue) noteDropped() bool {
	if q.unnoted > 0 && (q.note == nil || len(q.write(q.note(q.unnoted))) == 0) {
		q.unnoted = 0
	}
	return q.unnoted == 0
}

// write writes b on a new line, and returns what could not be written: its lines,
// and one that is torn, are lost.
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

// wait waits for a moment. It returns false if Close has stopped waiting.
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
