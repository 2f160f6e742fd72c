package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"feedd/internal/api"
	"feedd/internal/auth"
	"feedd/internal/config"
	"feedd/internal/fanout"
	"feedd/internal/memlog"
	"feedd/internal/sqlitelog"
	"feedd/internal/stream"
	"feedd/internal/upstream"
	"feedd/public"
)

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	headerBytes   = 64 << 10

	upstreamPatience = 2 * time.Second
)

func newServeCmd() *cobra.Command {
	var file string
	var demo bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server.

Settings come from the command line, else from the environment (FEEDD_LISTEN,
FEEDD_RETENTION_MAX_ITEMS, ...), else from the file given with --config, else
they are the defaults, which config.yaml lists.

SIGINT and SIGTERM stop it cleanly; a second one ends it at once. SIGHUP reads
the settings and the admin key again: log.level, who may read and publish, and
the key change at once, and the log says what else has changed and needs a
restart. SIGQUIT stops it as well, and the log says what it was doing; while it
stops SIGQUIT ends it at once and says so on standard error. The server goes on
when nobody reads its log.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signals := serverSignals()
			flags := make(map[string]string)
			for _, name := range []string{"listen", "data", "store"} {
				if f := cmd.Flags().Lookup(name); f.Changed {
					flags[name] = f.Value.String()
				}
			}
			load := func() (config.Config, error) {
				cfg, err := config.Load(file, os.Environ(), flags)
				if err == nil && demo {
					err = openForDemo(&cfg)
				}
				return cfg, err
			}
			cfg, err := load()
			if err != nil {
				return usageError{err}
			}
			v := newVoice(&cfg, cmd.OutOrStdout(), cmd.ErrOrStderr())
			defer v.close()
			slog.SetDefault(v.log) // libraries that log do it there
			if err := serve(cmd.Context(), &cfg, &surroundings{v, signals, file, load}); err != nil {
				v.fail(err)
				return saidError{err}
			}
			v.log.Info("stopped")
			return nil
		},
	}
	markUsage(cmd, cobra.NoArgs)
	def := config.Default()
	cmd.Flags().StringVar(&file, "config", os.Getenv("FEEDD_CONFIG"), "read settings from `FILE`")
	cmd.Flags().String("listen", def.Listen, "serve on `ADDRESS`, host:port")
	cmd.Flags().String("data", def.Data, "keep everything in `DIR`")
	cmd.Flags().String("store", string(def.Store), "keep items in `ENGINE`: sqlite or memory")
	cmd.Flags().BoolVar(&demo, "demo", false, "let everybody on this machine post to /send_feed_item and speak in /chat")
	return cmd
}

// openForDemo opens the forerunners' feeds to everybody who can reach a
// loopback address.
func openForDemo(cfg *config.Config) error {
	host, _, err := net.SplitHostPort(cfg.Listen)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--demo lets everybody publish, so it listens on loopback only, not on %s", cfg.Listen)
	}
	cfg.Legacy.FeedPublish, cfg.Legacy.ChatPublish = config.Anyone, config.Anyone
	return nil
}

// surroundings are what a server speaks to and hears of.
type surroundings struct {
	voice   *voice
	signals <-chan os.Signal
	file    string                        // with settings, "" for none
	load    func() (config.Config, error) // reads the settings again
}

// serve runs a server until ctx ends, then stops it in this order (P9): it
// takes nothing more from upstreams, takes no new streams and tells the subscribers to come back, answers the
// publishes in flight, and closes the store. What it opens it closes in
// reverse, whatever fails.
func serve(ctx context.Context, cfg *config.Config, around *surroundings) (err error) {
	log := around.voice.log
	dir, err := openDataDir(cfg.Data, log)
	if err != nil {
		return err
	}
	defer closing(&err, dir.close)
	key := string(cfg.AdminKey)
	if key == "" {
		if key, err = dir.adminKeyAtStart(log); err != nil {
			return err
		}
	}
	sessions, err := auth.OpenSessions(key, sessionFile(dir.file("sessions")))
	if err != nil {
		return err
	}
	engine, err := openEngine(cfg, dir, log)
	if err != nil {
		return err
	}
	hub := stream.NewHub(engine, stream.HubOptions{WindowBytes: int64(cfg.Limits.MaxWindowBytes)})
	defer hub.Close()
	defer closing(&err, engine.Close)
	own := newOwnFeeds()
	defer own.close()

	files := raiseDescriptors(log)
	listener, err := listen(cfg.Listen, time.Duration(cfg.Limits.StallTimeout))
	if err != nil {
		return fmt.Errorf("listen on %s: %w", cfg.Listen, inUse(err))
	}
	defer listener.Close()
	shards, err := fanout.New(hub, fanout.Options{
		Heartbeat: time.Duration(cfg.Heartbeat), StallTimeout: time.Duration(cfg.Limits.StallTimeout),
		RestTimeout: idleTimeout, Logger: log,
	})
	if err != nil {
		return err
	}
	defer shards.Close()
	upstreams, err := newUpstreams(cfg, hub, log)
	if err != nil {
		return err
	}
	again := newReloader(cfg, key)
	authority := auth.New(key, rulesOf(cfg))
	server, err := newServer(&parts{
		cfg: cfg, auth: authority, sessions: sessions, engine: engine, hub: hub, own: own.hub,
		shards: shards, upstreams: upstreams, files: files, addr: listener.Addr(), inPlace: placeOf(engine), log: log,
		shown: again.yaml, metrics: around.voice.metrics(),
	})
	if err != nil {
		return err
	}
	again.file, again.load, again.voice = around.file, around.load, around.voice
	again.dir, again.auth, again.sessions, again.server = dir, authority, sessions, server
	servers := &serverGroup{log: log, state: server.ConnState, failed: make(chan error, 3)}
	servers.start(server.Handler(), listener, server.Returning(listener.Addr()))
	unwatch := (&dataWatch{dir: dir, inPlace: placeOf(engine), log: log, serve: func(socket net.Listener) {
		servers.start(server.LocalHandler(), socket)
	}}).start()
	own.observe(server)
	address := listener.Addr().String()
	ticket := ""
	if around.voice.terminal { // what is not seen at once is kept, and read by others
		ticket, _, _ = sessions.Ticket(sessions.Name()) // the key cannot change yet
	}
	around.voice.welcome(welcome(cfg, dir, browserURL(address), ticket))
	log.Info("serving", "address", address, "data", cfg.Data, "store", string(cfg.Store), "durability", engine.Durability(), "version", version())
	upstreams.Start()

	for running := true; running; {
		select {
		case <-ctx.Done():
			log.Info("stopping")
			running = false
		case err = <-servers.failed:
			running = false
		case s := <-around.signals:
			running = again.heard(s)
		}
	}
	signal.Reset(syscall.SIGQUIT) // a stop that stands still says where
	unwatch()
	patience, cancel := context.WithTimeout(context.Background(), time.Duration(cfg.ShutdownTimeout))
	defer cancel()
	stopUpstreams(patience, upstreams)
	hub.Drain()
	servers.stop(patience)
	server.Close(patience)
	return err
}

// closing closes something on the way out, and keeps the first error.
func closing(err *error, close func() error) {
	if e := close(); *err == nil {
		*err = e
	}
}

func openEngine(cfg *config.Config, dir *dataDir, log *slog.Logger) (stream.Engine, error) {
	opts := stream.StoreOptions{
		Retention: cfg.RetentionFor,
		KeyAge:    time.Duration(cfg.Idempotency.MaxAge),
		Keys:      cfg.Idempotency.MaxKeys,
		Feeds:     cfg.Limits.MaxFeeds,
		Bytes:     int64(cfg.Limits.MaxStoreBytes),
		Reserve:   int64(cfg.Limits.DiskReserve),
		Logger:    log,
		Guard:     dir.lock.inPlace,
	}
	if cfg.Store == config.Memory {
		return memlog.Open(opts), nil
	}
	return sqlitelog.Open(dir.path, opts)
}

func newUpstreams(cfg *config.Config, hub *stream.Hub, log *slog.Logger) (*upstream.Set, error) {
	var list []upstream.Config
	for _, u := range cfg.Upstreams {
		list = append(list, upstream.Config{
			Name: u.Name, URL: u.URL, Feed: u.Feed, Token: string(u.Token), Idle: time.Duration(u.IdleTimeout),
		})
	}
	return upstream.New(list, upstream.Options{Hub: hub, Logger: log, MaxItemBytes: int(cfg.Limits.MaxItemBytes)})
}

// stopUpstreams gives what was read last a part of the time to be committed: it
// would only be read again.
func stopUpstreams(patience context.Context, s *upstream.Set) {
	ctx, cancel := context.WithTimeout(patience, upstreamPatience)
	defer cancel()
	s.Stop(ctx)
}

// parts are what a server is made of.
type parts struct {
	cfg       *config.Config
	auth      *auth.Authority
	sessions  *auth.Sessions
	engine    stream.Engine
	hub, own  *stream.Hub
	shards    *fanout.Shards
	upstreams *upstream.Set
	files     descriptors
	addr      net.Addr // where it listens
	inPlace   func() error
	shown     func() []byte // the settings in force
	metrics   []prometheus.Collector
	log       *slog.Logger
}

func newServer(p *parts) (*api.Server, error) {
	cfg := p.cfg
	return api.New(api.Options{
		Hub:              p.hub,
		Own:              p.own,
		Shards:           p.shards,
		Engine:           p.engine,
		Auth:             p.auth,
		Sessions:         p.sessions,
		URL:              cmp.Or(cfg.PublicURL, browserURL(p.addr.String())),
		Pages:            public.Files,
		Log:              p.log,
		Metrics:          append(p.metrics, p.upstreams, detachedGauge(p.inPlace)),
		InPlace:          p.inPlace,
		Hosts:            loopbackHosts(cfg, p.addr),
		Names:            cfg.Hosts,
		Heartbeat:        time.Duration(cfg.Heartbeat),
		StallTimeout:     time.Duration(cfg.Limits.StallTimeout),
		MaxItemBytes:     int64(cfg.Limits.MaxItemBytes),
		MaxBodyBytes:     int64(cfg.Limits.MaxBodyBytes),
		MaxBatchItems:    cfg.Limits.MaxBatchItems,
		MaxSelectorTerms: cfg.Limits.MaxSelectorTerms,

		MaxAnonymousPatterns:   cfg.Limits.MaxAnonymousPatterns,
		MaxEventNames:          cfg.Limits.MaxEventNames,
		MaxSelectionBytes:      int64(cfg.Limits.MaxSelectionBytes),
		MaxSelectionBytesPerIP: int64(cfg.Limits.MaxSelectionBytesPerIP),

		MaxSubscribers:   p.files.subscribers(cfg.Limits.MaxSubscribers, p.log),
		MaxConnections:   p.files.connections(),
		MaxBodiesBytes:   int64(cfg.Limits.MaxBodiesBytes),
		BodyTimeout:      time.Duration(cfg.Limits.BodyTimeout),
		MaxAnonymousRate: cfg.Limits.MaxAnonymousRate,

		MaxAnonymousItems:      cfg.Limits.MaxAnonymousItems,
		MaxAnonymousBytes:      int64(cfg.Limits.MaxAnonymousBytes),
		MaxAnonymousItemBytes:  int64(cfg.Limits.MaxAnonymousItemBytes),
		MaxAnonymousBatchItems: cfg.Limits.MaxAnonymousBatchItems,

		Forerunner: api.Forerunner{
			Feed: cfg.Legacy.Feed, FeedOpen: cfg.Legacy.FeedPublish == config.Anyone,
			Chat: cfg.Legacy.Chat, ChatOpen: cfg.Legacy.ChatPublish == config.Anyone,
		},
		MaxSubscribersPerIP: cfg.Limits.MaxSubscribersPerIP,
		ParseRetention:      config.ParseSettings,
		FormatRetention:     func(r stream.Retention) []byte { return config.AppendSettings(nil, r) },
		BaseRetention:       cfg.RetentionFor,
		Config:              p.shown,
	})
}

// loopbackHosts returns the names that a listener on loopback answers to, nil
// (any) for another one.
func loopbackHosts(cfg *config.Config, addr net.Addr) []string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsLoopback() {
		return nil
	}
	return append([]string{"localhost", "127.0.0.1", "::1", tcp.IP.String()}, cfg.Hosts...)
}

// serverGroup runs one http.Server for each handler.
type serverGroup struct {
	log     *slog.Logger
	state   func(net.Conn, http.ConnState)
	servers []*http.Server
	failed  chan error
}

func (g *serverGroup) start(h http.Handler, listeners ...net.Listener) {
	s := &http.Server{
		Handler:           h,
		ConnContext:       api.ConnContext,
		ConnState:         g.state,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelWarn),
	}
	g.servers = append(g.servers, s)
	for _, l := range listeners {
		go func() {
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				g.failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
		}()
	}
}

// stop waits for the requests in flight until ctx ends; then it cuts them.
func (g *serverGroup) stop(ctx context.Context) {
	done := make(chan struct{})
	for _, s := range g.servers {
		go func() {
			if err := s.Shutdown(ctx); err != nil {
				g.log.Warn("requests were cut", "err", err)
				s.Close()
			}
			done <- struct{}{}
		}()
	}
	for range g.servers {
		<-done
	}
}
