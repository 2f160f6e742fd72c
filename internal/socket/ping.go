package socket

import (
	"context"
	"errors"
	"time"

	"feedd/internal/fanout"
)

// ping asks the client every so often whether it is there; one of which nothing
// is heard for the stall timeout is gone. It ends with ctx, or with the function
// it returns, which reports whether that was so.
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

// pingOnce fails when the client is gone, and reports whether it is silent.
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
	// Its answer may stand behind what it publishes, and that behind a slow
	// commit.
	if o.raw.heard.Load() != before || len(o.turn) > 0 {
		return false, nil
	}
	// The ping may stand behind much that a slow client has still to read: as
	// long as its kernel takes of that, it is there.
	if silence, waiting := fanout.Unheard(o.raw.Conn); waiting && silence < o.stall {
		return false, nil
	}
	return true, err
}
