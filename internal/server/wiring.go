package server

import (
	"cmp"
	"log/slog"
	"net"
	"time"

	"feedd/internal/api"
	"feedd/internal/config"
	"feedd/internal/memlog"
	"feedd/internal/publish"
	"feedd/internal/sqlitelog"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
	"feedd/internal/upstream"
	"feedd/public"
)

func openEngine(cfg *config.Config, dir *dataDir, logger *slog.Logger) (stream.Engine, error) {
	opts := stream.StoreOptions{
		Retention: cfg.RetentionFor,
		KeyAge:    time.Duration(cfg.Idempotency.MaxAge),
		Keys:      cfg.Idempotency.MaxKeys,
		Feeds:     cfg.Limits.MaxFeeds,
		Bytes:     int64(cfg.Limits.MaxStoreBytes),
		Reserve:   int64(cfg.Limits.DiskReserve),
		Logger:    logger,
		Guard:     dir.lock.inPlace,
	}
	if cfg.Store == config.Memory {
		return memlog.Open(opts), nil
	}
	return sqlitelog.Open(dir.path, opts)
}

func newUpstreams(cfg *config.Config, hub *stream.Hub, logger *slog.Logger) (*upstream.Set, error) {
	var list []upstream.Config
	for _, u := range cfg.Upstreams {
		list = append(list, upstream.Config{
			Name: u.Name, URL: u.URL, Feed: u.Feed, Token: string(u.Token), Idle: time.Duration(u.IdleTimeout),
		})
	}
	return upstream.New(list, upstream.Options{Hub: hub, Logger: logger, MaxItemBytes: int(cfg.Limits.MaxItemBytes)})
}

// optionsOf returns what the HTTP interface takes from the configuration.
func optionsOf(cfg *config.Config, files descriptors, addr net.Addr, logger *slog.Logger) api.Options {
	limits := &cfg.Limits
	return api.Options{
		Access: api.Access{
			Hosts: loopbackHosts(cfg, addr), Names: cfg.Hosts,
			MaxSelectorTerms: limits.MaxSelectorTerms, MaxAnonymousPatterns: limits.MaxAnonymousPatterns,
		},
		Publish: publish.Limits{
			MaxItemBytes:           int64(limits.MaxItemBytes),
			MaxBodyBytes:           int64(limits.MaxBodyBytes),
			MaxBatchItems:          limits.MaxBatchItems,
			MaxBodiesBytes:         int64(limits.MaxBodiesBytes),
			MaxAnonymousRate:       limits.MaxAnonymousRate,
			MaxAnonymousItems:      limits.MaxAnonymousItems,
			MaxAnonymousBytes:      int64(limits.MaxAnonymousBytes),
			MaxAnonymousItemBytes:  int64(limits.MaxAnonymousItemBytes),
			MaxAnonymousBatchItems: limits.MaxAnonymousBatchItems,
		},
		Subscribe: subscribe.Limits{
			MaxSubscribers:         files.subscribers(limits.MaxSubscribers, logger),
			MaxSubscribersPerIP:    limits.MaxSubscribersPerIP,
			MaxSelectionBytes:      int64(limits.MaxSelectionBytes),
			MaxSelectionBytesPerIP: int64(limits.MaxSelectionBytesPerIP),
			MaxEventNames:          limits.MaxEventNames,
		},
		Timeouts: api.Timeouts{
			Heartbeat: time.Duration(cfg.Heartbeat),
			Stall:     time.Duration(limits.StallTimeout),
			Body:      time.Duration(limits.BodyTimeout),
		},
		Pages: api.Pages{Files: public.Files, URL: cmp.Or(cfg.PublicURL, browserURL(addr))},
		Retention: api.Retention{
			Parse:  config.ParseSettings,
			Format: func(r stream.Retention) []byte { return config.AppendSettings(nil, r) },
			Base:   cfg.RetentionFor,
		},
		Legacy: api.Legacy{
			Feed: cfg.Legacy.Feed, FeedOpen: cfg.Legacy.FeedPublish == config.Anyone,
			Chat: cfg.Legacy.Chat, ChatOpen: cfg.Legacy.ChatPublish == config.Anyone,
		},
		MaxConnections: files.connections(),
		Logger:         logger,
	}
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

// browserURL is where a browser on this machine reaches the server.
func browserURL(addr net.Addr) string {
	address := addr.String()
	if host, port, err := net.SplitHostPort(address); err == nil && (host == "::" || host == "0.0.0.0") {
		return "http://localhost:" + port
	}
	return "http://" + address
}
