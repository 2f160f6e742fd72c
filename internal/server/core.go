package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"feedd/internal/api"
	"feedd/internal/fanout"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
)

const (
	// headerTimeout is how long the headers of a request may take to come. Only a
	// client that wants to hold connections open is slower.
	headerTimeout = 10 * time.Second
	// idleTimeout is how long a connection is kept between two requests: longer
	// than proxies keep theirs, so that these close first.
	idleTimeout = 2 * time.Minute
	// headerBytes is how large the headers of a request may be: a selector of 256
	// names of full length takes half of it.
	headerBytes = 64 << 10
)

// Parts are what a Core is assembled from.
type Parts struct {
	// Engine is the log. It is the core's from then on.
	Engine stream.Engine
	// WindowBytes bounds the memory for all windows together; 0: 64 MiB.
	WindowBytes int64
	// IdleTimeout is how long a connection is kept between two requests; 0: two
	// minutes.
	IdleTimeout time.Duration
	// API is for the HTTP interface. Its Store is filled in, but for InPlace.
	API api.Options
}

// Core is a feedd without the parts that a process adds: it listens nowhere by
// itself.
type Core struct {
	Engine stream.Engine
	Hub    *stream.Hub
	Shards *fanout.Shards
	API    *api.Server

	own     *ownFeeds
	idle    time.Duration
	logger  *slog.Logger
	servers []*http.Server
	serving sync.WaitGroup // the goroutines of servers
	failed  chan error
}

// Assemble makes a core, which must be closed. If it fails, it closes the engine.
func Assemble(p Parts) (_ *Core, err error) {
	c := &Core{
		Engine: p.Engine, own: newOwnFeeds(), idle: cmp.Or(p.IdleTimeout, idleTimeout), logger: p.API.Logger,
		failed: make(chan error, 1),
	}
	c.Hub = stream.NewHub(c.Engine, stream.HubOptions{WindowBytes: p.WindowBytes})
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	c.Shards, err = fanout.New(c.Hub, fanout.Options{
		Heartbeat: p.API.Timeouts.Heartbeat, StallTimeout: p.API.Timeouts.Stall, RestTimeout: c.idle, Logger: c.logger,
	})
	if err != nil {
		return nil, err
	}
	p.API.Store.Hub, p.API.Store.Engine, p.API.Store.Shards, p.API.Store.Own = c.Hub, c.Engine, c.Shards, c.own.hub
	c.API, err = api.New(p.API)
	return c, err
}

// Serve serves a handler of the core's API on listeners, until a stop.
func (c *Core) Serve(h http.Handler, listeners ...net.Listener) {
	s := &http.Server{
		Handler:           h,
		ConnContext:       subscribe.ConnContext,
		ConnState:         c.API.ConnState,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       c.idle,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(c.logger.Handler(), slog.LevelWarn),
	}
	c.servers = append(c.servers, s)
	for _, l := range listeners {
		c.serving.Go(func() {
			err := s.Serve(l)
			if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
				return
			}
			select {
			case c.failed <- fmt.Errorf("serve %s: %w", l.Addr(), err):
			default: // one is enough to stop for
			}
		})
	}
}

// Failed returns a channel that gets the error of a listener that failed.
func (c *Core) Failed() <-chan error { return c.failed }

// Observe begins to publish the server's own figures.
func (c *Core) Observe() { c.own.observe(c.API) }

// step is a step of a stop. why says why it has its place in the order: for
// readers of the code, and for a logger of level debug.
type step struct {
	name, why string
	do        func(ctx context.Context)
}

// steps returns the steps of a stop, in order (P9). What is left when their
// context ends is cut.
func (c *Core) steps() []step {
	return []step{
		{"drain", "first for the clients: no new streams, and subscribers are told to come back, which empties the connections that the next steps wait for", func(context.Context) { c.Hub.Drain() }},
		{"requests", "publishes in flight are answered while the store is open; those over WebSocket are answered by the drain itself", c.stopRequests},
		{"websockets", "an http.Server does not know of them any more, so they are waited for apart, when no new one can come", c.API.Close},
	}
}

// stopRequests waits for the requests in flight until ctx ends; then it cuts them.
func (c *Core) stopRequests(ctx context.Context) {
	var done sync.WaitGroup
	for _, s := range c.servers {
		done.Go(func() {
			if err := s.Shutdown(ctx); err != nil {
				c.logger.Warn("requests were cut", "err", err)
				s.Close()
			}
		})
	}
	done.Wait()
}

// Stop stops serving in order (P9), until ctx ends; then it cuts what is left.
// The core must still be closed.
func (c *Core) Stop(ctx context.Context) { run(ctx, c.logger, c.steps()) }

func run(ctx context.Context, logger *slog.Logger, steps []step) {
	for _, s := range steps {
		logger.Debug("stopping", "step", s.name, "why", s.why)
		s.do(ctx)
	}
}

// Close ends everything at once, and closes the engine.
func (c *Core) Close() error {
	for _, s := range c.servers {
		s.Close()
	}
	c.serving.Wait()
	if c.API != nil {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		c.API.Close(now)
	}
	if c.Shards != nil {
		c.Shards.Close()
	}
	c.own.close()
	err := c.Engine.Close() // before the hub, which it tells of commits
	c.Hub.Close()
	return err
}
