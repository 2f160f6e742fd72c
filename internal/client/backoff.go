package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is the wait between tries: it begins at first and doubles with each
// failure in a row up to most, with up to half of it added at random so that
// many clients do not come back at once.
type backoff struct {
	first, most time.Duration
	failures    int
}

// next returns the wait before the next try, at least atLeast.
func (b *backoff) next(atLeast time.Duration) time.Duration {
	d := b.first << min(b.failures, 16)
	b.failures++
	if d > b.most || d <= 0 {
		d = b.most
	}
	// Two thirds of most is where the jitter still ends at most.
	d = min(max(d, atLeast), max(b.most*2/3, atLeast))
	return d + rand.N(d/2+1)
}

func (b *backoff) reset() { b.failures = 0 }

// sleep waits, and returns the context's error when that ends first.
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
