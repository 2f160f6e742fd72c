package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff is the wait between tries: it begins at First and doubles with each
// failure in a row up to Most, with up to half of it added at random so that
// many clients do not come back at once.
type Backoff struct {
	First, Most time.Duration
	failures    int
}

// Next returns the wait before the next try, at least atLeast.
func (b *Backoff) Next(atLeast time.Duration) time.Duration {
	// 16 doublings of any First are beyond any Most; more would overflow.
	d := b.First << min(b.failures, 16)
	b.failures++
	if d > b.Most || d <= 0 {
		d = b.Most
	}
	// From two thirds of Most on, half of it at random would go beyond Most.
	d = min(max(d, atLeast), max(b.Most*2/3, atLeast))
	return d + rand.N(d/2+1)
}

// Reset says that a try went well.
func (b *Backoff) Reset() { b.failures = 0 }

// sleep waits, and returns the context's error if the context ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
