package streamtest

import (
	"context"
	"sync"
	"time"

	"feedd/internal/stream"
)

// patience is how long a case waits for what must come. It is long, because it
// is waited for only when the case fails.
const patience = time.Minute

// eventually waits until cond holds. what says what should come to pass.
func eventually(t reporter, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited for %v, in vain: %s", patience, what)
		}
	}
}

// within waits for something on a channel, or for its end.
func within[T any](t reporter, what string, c <-chan T) T {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case v := <-c:
		return v
	case <-deadline.C:
		t.Fatalf("waited for %v, in vain: %s", patience, what)
		panic("unreachable")
	}
}

// answer is what an Append returned.
type answer struct {
	receipt stream.Receipt
	err     error
}

// begin calls Append in a goroutine of its own and returns once that waits for
// the commit, or is answered. So Appends begun one after the other are queued
// in that order, in an engine that queues a batch before it waits.
func (s *store) begin(ctx context.Context, b stream.Batch) <-chan answer {
	w := &waitContext{Context: ctx, waits: make(chan struct{})}
	c := make(chan answer, 1)
	answered := make(chan struct{})
	go func() {
		rc, err := s.Append(w, b)
		c <- answer{rc, err}
		close(answered)
	}()
	// An engine need not look at Done; no case rests on this for more than
	// trying the order that is hardest.
	notLooking := time.NewTimer(100 * time.Millisecond)
	defer notLooking.Stop()
	select {
	case <-w.waits:
	case <-answered:
	case <-notLooking.C:
	}
	return c
}

// waitContext is a context that tells when a caller begins to wait for its end.
type waitContext struct {
	context.Context
	once  sync.Once
	waits chan struct{}
}

func (w *waitContext) Done() <-chan struct{} {
	w.once.Do(func() { close(w.waits) })
	return w.Context.Done()
}
