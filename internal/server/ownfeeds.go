package server

import (
	"context"
	"sync"
	"time"

	"feedd/internal/api"
	"feedd/internal/memlog"
	"feedd/internal/stream"
)

// ownFeeds are feedd's own feeds, in memory: the figures of the last ten
// minutes.
type ownFeeds struct {
	engine *memlog.Log
	hub    *stream.Hub
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// observeEvery is how often the server's figures are taken: a person who looks at
// the admin page sees them move, and ten minutes of them are 600 items.
const observeEvery = time.Second

// ownWindow is the memory for the window of feedd's own feeds, in bytes: an item
// takes less than 1 KiB in it, so all 600 are there.
const ownWindow = 1 << 20

func newOwnFeeds() *ownFeeds {
	engine := memlog.Open(stream.StoreOptions{
		Retention: func(string) stream.Retention {
			return stream.Retention{MaxItems: int(10 * time.Minute / observeEvery)}
		},
	})
	return &ownFeeds{engine: engine, hub: stream.NewHub(engine, stream.HubOptions{WindowBytes: ownWindow}), stop: func() {}}
}

// observe publishes the figures of a server, from now on.
func (o *ownFeeds) observe(server *api.Server) {
	var ctx context.Context
	ctx, o.stop = context.WithCancel(context.Background())
	o.done.Go(func() { server.Observe(ctx, observeEvery) })
}

func (o *ownFeeds) close() {
	o.stop()
	o.done.Wait()
	o.engine.Close()
	o.hub.Close()
}
