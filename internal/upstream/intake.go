package upstream

import (
	"context"
	"sync"
	"time"

	"feedd/internal/stream"
)

// These bound what is read ahead of the commits for one upstream; more waits in
// the connection. They also bound one commit, because other publishers wait for
// it: 1,000 items take some 10 ms.
const (
	intakeItems = 1000
	intakeBytes = 4 << 20 // and one item
)

// intake is what was read and is not being committed yet.
type intake struct {
	more chan struct{} // has a value after something came
	room chan struct{} // has a value after something was taken

	mu      sync.Mutex // guards the fields below
	drafts  []stream.Draft
	bytes   int
	at      string    // the last id, of drafts or behind them
	arrived time.Time // when the first of drafts came
}

func newIntake(at string) *intake {
	return &intake{more: make(chan struct{}, 1), room: make(chan struct{}, 1), at: at}
}

// put adds an item, if d is not nil, and moves the id. If there is no room it
// waits, until ctx ends.
func (in *intake) put(ctx context.Context, d *stream.Draft, at string) error {
	for !in.add(d, at) {
		select {
		case <-in.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	signal(in.more)
	return ctx.Err()
}

func (in *intake) add(d *stream.Draft, at string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if d != nil {
		if len(in.drafts) >= intakeItems || in.bytes >= intakeBytes {
			return false
		}
		if len(in.drafts) == 0 {
			in.arrived = time.Now()
		}
		in.drafts = append(in.drafts, *d)
		in.bytes += len(d.Data) + len(d.Event)
	}
	in.at = at
	return true
}

// take takes all items, and returns the last id with them and when the first of
// them came.
func (in *intake) take() (drafts []stream.Draft, at string, arrived time.Time) {
	in.mu.Lock()
	drafts, in.drafts, in.bytes = in.drafts, nil, 0
	at, arrived = in.at, in.arrived
	in.arrived = time.Time{}
	in.mu.Unlock()
	signal(in.room)
	return drafts, at, arrived
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
