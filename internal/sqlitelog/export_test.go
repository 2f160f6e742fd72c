package sqlitelog

import (
	"context"
	"time"

	"feedd/internal/stream"
)

// LookFor is how long a look at the store's files counts.
const LookFor = lookFor

// OpenBusily is Open, with upkeep twenty times as often.
func OpenBusily(dir string, opts stream.StoreOptions) (*Log, error) {
	return open(dir, opts, upkeepEvery/20)
}

// WaitForLocks sets how long the committer waits for another program's lock.
func (l *Log) WaitForLocks(ctx context.Context, d time.Duration) error {
	return l.do(ctx, &op{do: func(t *tx) error {
		t.w.conn.SetBusyTimeout(d)
		return nil
	}})
}
