// Package server is the composition root: it makes a server of a configuration,
// runs it, and stops it in order. Commands, tests and benchmarks run the same.
//
// There are two layers. [Assemble] joins an engine, a hub, the fan-out and the
// HTTP interface, and serves them on any listeners. [New] adds what a process
// needs: a data directory and its lock, the admin key, descriptors, a listener
// and upstreams.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"feedd/internal/auth"
	"feedd/internal/config"
	"feedd/internal/upstream"
)

// Options is what a Server needs of its process beside the configuration. Only
// Logger is required.
type Options struct {
	Logger *slog.Logger
	// Level is that of Logger; nil if it does not change with the configuration.
	Level *slog.LevelVar
	// Version is for the logger.
	Version string
	// Metrics are further ones for GET /metrics.
	Metrics []prometheus.Collector
	// Load reads the configuration again, for Reload.
	Load func() (config.Config, error)
	// Serving is called once requests are served, and Stopping when that ends.
	Serving, Stopping func()
}

// Server is a feedd with a data directory, which listens.
type Server struct {
	cfg       *config.Config
	options   Options
	logger    *slog.Logger
	dir       *dataDir
	sessions  *auth.Sessions
	core      *Core
	upstreams *upstream.Set
	reloader  *reloader
	address   net.Addr
	listener  net.Listener

	opened []opened // in this order
}

// opened is something that must be closed again.
type opened struct {
	name  string
	close func() error
}

// New makes a server that listens; Run serves. If New fails, it closes what it
// has opened.
func New(cfg *config.Config, o Options) (_ *Server, err error) {
	s := &Server{cfg: cfg, options: o, logger: o.Logger}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.dir, err = openDataDir(cfg.Data, s.logger); err != nil {
		return nil, err
	}
	s.opens("the lock of the data directory", s.dir.close)
	key := string(cfg.AdminKey)
	if key == "" {
		if key, err = s.dir.adminKeyAtStart(s.logger); err != nil {
			return nil, err
		}
	}
	if s.sessions, err = auth.OpenSessions(key, sessionFile(s.dir.file("sessions"))); err != nil {
		return nil, err
	}
	engine, err := openEngine(cfg, s.dir, s.logger)
	if err != nil {
		return nil, err
	}
	s.opens("the store", engine.Close) // again after the core did so, which does nothing

	files := raiseDescriptors(s.logger)
	if s.listener, err = listen(cfg.Listen, time.Duration(cfg.Limits.StallTimeout)); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", cfg.Listen, inUse(err))
	}
	s.opens("the listener", func() error { s.listener.Close(); return nil }) // the http.Server may have closed it
	s.address = s.listener.Addr()

	s.reloader = newReloader(cfg, key)
	inPlace := placeOf(engine)
	authority := auth.New(key, rulesOf(cfg))
	options := optionsOf(cfg, files, s.address, s.logger)
	options.Store.InPlace = inPlace
	options.Access.Auth, options.Access.Sessions = authority, s.sessions
	options.Config = s.reloader.yaml
	options.Metrics = append(o.Metrics, detachedGauge(inPlace))
	s.core, err = Assemble(Parts{Engine: engine, WindowBytes: int64(cfg.Limits.MaxWindowBytes), API: options})
	if err != nil {
		return nil, err
	}
	s.opens("the core", s.core.Close)
	if s.upstreams, err = newUpstreams(cfg, s.core.Hub, s.logger); err != nil {
		return nil, err
	}
	s.core.API.Register(s.upstreams)
	s.reloader.bind(o, s.dir, authority, s.sessions, s.core.API)
	return s, nil
}

// URL returns where a browser on this machine reaches the server.
func (s *Server) URL() string { return browserURL(s.address) }

// DataFile returns the path of a file in the data directory.
func (s *Server) DataFile(name string) string { return s.dir.file(name) }

// Ticket returns a ticket that signs a browser in, "" if none can be made.
func (s *Server) Ticket() string {
	ticket, _, err := s.sessions.Ticket(s.sessions.Name())
	if err != nil {
		return "" // the key has just changed
	}
	return ticket
}

// Run serves until ctx ends or a listener fails, then stops in order (P9), and
// closes what New has opened.
func (s *Server) Run(ctx context.Context) (err error) {
	defer func() { err = cmp.Or(err, s.Close()) }()
	s.core.Serve(s.core.API.Handler(), s.listener, s.core.API.Returning(s.address))
	unwatch := (&dataWatch{dir: s.dir, inPlace: placeOf(s.core.Engine), logger: s.logger, serve: func(socket net.Listener) {
		s.core.Serve(s.core.API.LocalHandler(), socket)
	}}).start()
	s.core.Observe()
	if s.options.Serving != nil {
		s.options.Serving()
	}
	s.logger.Info("serving", "address", s.address.String(), "data", s.cfg.Data, "store", string(s.cfg.Store),
		"durability", s.core.Engine.Durability(), "version", s.options.Version)
	s.upstreams.Start()

	select {
	case <-ctx.Done():
		s.logger.Info("stopping")
	case err = <-s.core.Failed():
	}
	if s.options.Stopping != nil {
		s.options.Stopping()
	}
	patience, cancel := context.WithTimeout(context.Background(), time.Duration(s.cfg.ShutdownTimeout))
	defer cancel()
	run(patience, s.logger, []step{
		{"watch", "it would make the admin socket anew that the stop closes", func(context.Context) { unwatch() }},
		{"upstreams", "what was read last is committed while publishes are still taken; later it would only be read again", s.stopUpstreams},
	})
	s.core.Stop(patience)
	return err
}

// upstreamPatience is how much of a stop's time upstreams may take to commit
// what they read last. It is short because the clients of this server wait
// meanwhile, and enough because an fsync takes a fraction of it.
const upstreamPatience = 2 * time.Second

func (s *Server) stopUpstreams(patience context.Context) {
	ctx, cancel := context.WithTimeout(patience, upstreamPatience)
	defer cancel()
	s.upstreams.Stop(ctx)
}

// Reload reads the configuration and the admin key again. What cannot be read,
// or needs a restart, stays as it is; the logger says which. It may be called
// from one goroutine at a time.
func (s *Server) Reload() { s.reloader.reload() }

func (s *Server) opens(name string, close func() error) {
	s.opened = append(s.opened, opened{name, close})
}

// Close closes what New has opened, the last first: each needs what was opened
// before it. It returns the first error. Run calls it.
func (s *Server) Close() error {
	var first error
	for len(s.opened) > 0 {
		last := s.opened[len(s.opened)-1]
		s.opened = s.opened[:len(s.opened)-1]
		s.logger.Debug("closing", "what", last.name)
		first = cmp.Or(first, last.close())
	}
	return first
}

// inUse adds what to do if another program listens at an address.
func inUse(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; stop what listens there, or give this one another --listen", err)
	}
	return err
}
