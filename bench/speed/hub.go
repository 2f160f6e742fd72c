package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"feedd/internal/config"
	"feedd/internal/sqlitelog"
	"feedd/internal/stream"
)

// grouping measures what group commit gains, in this process: over HTTP the 64
// publishers, their connections and the server share the machine's processors,
// and the ratio says more about those than about the store.
func (b *bench) grouping(ctx context.Context) (err error) {
	cfg := config.Default()
	dir := b.path("store")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	log, err := sqlitelog.Open(dir, stream.StoreOptions{Retention: cfg.RetentionFor})
	if err != nil {
		return err
	}
	hub := stream.NewHub(log, stream.HubOptions{})
	defer func() {
		err = errors.Join(err, log.Close())
		hub.Close()
	}()
	item := newBatch(1).item()
	publish := func(n int) error {
		batch := stream.Batch{Feed: "full", Drafts: make([]stream.Draft, n)}
		for i := range batch.Drafts {
			batch.Drafts[i] = stream.Draft{JSON: true, Data: item}
		}
		_, err := hub.Publish(ctx, batch)
		return err
	}
	if err := publish(backlog); err != nil {
		return err
	}
	ratio := b.report.add("64 publishers on the store: rate / rate of one", "", least(8))
	one := b.report.add("  one publisher on the store", "items/s", nil)
	all := b.report.add("  64 publishers on the store", "items/s", nil)
	for range b.rounds {
		slow, err := rateOf(1, 1500*time.Millisecond, publish)
		if err != nil {
			return err
		}
		fast, err := rateOf(64, 2*time.Second, publish)
		if err != nil {
			return err
		}
		one.round(slow)
		all.round(fast)
		ratio.round(fast / slow)
	}
	return nil
}

// rateOf lets n publishers publish single items for a while, and returns how
// many a second were committed.
func rateOf(n int, d time.Duration, publish func(int) error) (float64, error) {
	var wait sync.WaitGroup
	var done atomic.Int64
	var failed atomic.Pointer[error]
	begin := time.Now()
	for range n {
		wait.Go(func() {
			for time.Since(begin) < d && failed.Load() == nil {
				if err := publish(1); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				done.Add(1)
			}
		})
	}
	wait.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / time.Since(begin).Seconds(), nil
}
