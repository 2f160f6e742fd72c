package sqlitelog

import (
	"context"
	"sync"

	"feedd/internal/stream"
)

// op is one change that the committer makes, as a part of a transaction.
type op struct {
	// do makes the change. An error of SQLite's fails the whole transaction; a
	// refusal fails the operation alone, and then do has changed nothing. It is
	// called again if the transaction is tried again.
	do func(*tx) error
	// frees says that the operation makes room, or may: it must be done on a full
	// disk too, and to do it twice does no harm.
	frees bool
	size  int // bytes that it brings
	n     int // items that it brings

	refused error // by do, the committer's
	outcome outcome
}

// end tells the caller what became of the operation. With an error it was not
// done, or that is unknown.
func (o *op) end(err error) {
	if err == nil {
		err = o.refused
	}
	o.outcome.tell(err)
}

// outcome is an error, or nil, that one goroutine tells and another waits for.
type outcome struct {
	told chan struct{}
	err  error
}

func (o *outcome) tell(err error) {
	o.err = err
	close(o.told)
}

// wait returns what was told, or a [stream.UnfinishedError] if ctx ends before.
func (o *outcome) wait(ctx context.Context) error {
	select {
	case <-o.told:
		return o.err
	case <-ctx.Done():
		return &stream.UnfinishedError{Err: ctx.Err(), Done: o.told}
	}
}

// do queues a change and waits until it is committed. When ctx ends it stops
// waiting; the change is made all the same.
func (l *Log) do(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	wait, err := l.queue.put(o)
	if err != nil {
		return err
	}
	return wait(ctx)
}

// queue holds the operations that wait for the committer.
type queue struct {
	mu     sync.Mutex // guards the fields below
	ops    []*op
	closed bool
	more   chan struct{} // has a value after an operation came or the queue closed
}

// put queues an operation. The function that it returns waits for the outcome.
func (q *queue) put(o *op) (wait func(context.Context) error, err error) {
	o.outcome.told = make(chan struct{})
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil, stream.ErrClosed
	}
	q.ops = append(q.ops, o)
	q.mu.Unlock()
	q.signal()
	return o.outcome.wait, nil
}

func (q *queue) signal() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// A transaction takes no more than this, because an operation that comes
// meanwhile waits for all of it: at about 10 us an item that is some 40 ms; and
// 16 MiB are as much as a body may have by default. A single larger batch is
// one transaction.
const (
	txItems = 4096
	txBytes = 16 << 20
)

// take returns the operations for one transaction, at least one if there is any,
// and whether the queue is closed and empty.
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
