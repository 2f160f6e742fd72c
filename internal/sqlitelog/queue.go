package sqlitelog

import (
	"sync"

	"feedd/internal/stream"
)

// op is one thing to be done in a transaction of the committer.
type op struct {
	// do makes the change. An error of SQLite's fails the whole transaction;
	// any other one fails the operation alone, and then do has changed
	// nothing.
	do func(*tx) error
	// frees says that the operation makes room, or may: a full disk must not
	// keep it from being done, and to do it twice does no harm.
	frees bool
	size  int // bytes that it brings
	n     int // items that it brings
	done  chan struct{}
	err   error // set before done is closed
}

// queue holds the operations that wait for the committer.
type queue struct {
	mu     sync.Mutex // guards the fields below
	ops    []*op
	closed bool
	more   chan struct{} // has a value after an operation came or the queue closed
}

// A transaction takes no more than this, so that nobody waits long behind a
// heap of others.
const (
	txItems = 4096
	txBytes = 16 << 20
)

func (q *queue) put(o *op) error {
	o.done = make(chan struct{})
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return stream.ErrClosed
	}
	q.ops = append(q.ops, o)
	q.mu.Unlock()
	q.signal()
	return nil
}

func (q *queue) signal() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// take returns what fits into one transaction, at least one operation where
// there is any, and whether the queue is closed and empty.
func (q *queue) take() (ops []*op, end bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	items, bytes, n := 0, 0, 0
	for _, o := range q.ops {
		if n > 0 && (items+o.n > txItems || bytes+o.size > txBytes) {
			break
		}
		items, bytes, n = items+o.n, bytes+o.size, n+1
	}
	ops = append(ops, q.ops[:n]...)
	rest := copy(q.ops, q.ops[n:])
	clear(q.ops[rest:])
	q.ops = q.ops[:rest]
	return ops, q.closed && n == 0
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}
