package socket

import (
	"context"
	"errors"
	"time"

	"feedd/internal/fanout"
)

// ping asks the client once in a heartbeat whether it is there. A client of
// which nothing is heard for the stall timeout is gone. It ends with ctx, or
// with the function it returns, which reports whether the client was gone.
func (o *outlet) ping(ctx context.Context, every time.Duration, gone func()) (stop func() (silent bool)) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan bool, 1)
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				done <- false
				return
			}
			if silent, err := o.pingOnce(ctx); err != nil {
				done <- silent
				gone()
				return
			}
		}
	}()
	return func() bool { cancel(); return <-done }
}

// pingOnce fails if the client is gone, and reports whether it is silent.
func (o *outlet) pingOnce(ctx context.Context) (silent bool, err error) {
	if !o.sending.TryLock() {
		return false, nil // the client is measured by what it takes
	}
	o.sending.Unlock()
	before := o.raw.heard.Load()
	wait, end := context.WithTimeout(ctx, o.stall)
	defer end()
	err = o.conn.Ping(wait)
	if !errors.Is(err, context.DeadlineExceeded) {
		return false, err
	}
	// The pong may stand behind frames that the client publishes, and these wait
	// for a slow commit.
	if o.raw.heard.Load() != before || len(o.turn) > 0 {
		return false, nil
	}
	// The ping may stand behind much that a slow client has yet to read. As long
	// as its kernel takes some of that, the client is there.
	if silence, waiting := fanout.Unheard(o.raw.Conn); waiting && silence < o.stall {
		return false, nil
	}
	return true, err
}
