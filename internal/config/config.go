package config

import (
	"time"

	"feedd/internal/stream"
	"feedd/internal/units"
)

// Config is every setting of a server. A Config that Load or Default returned is
// valid; it is not changed afterwards, so that any goroutine may read it.
//
// A yaml tag is the name of a setting. The tags least and most are its bounds, and
// zero says what 0 means if that is below least.
type Config struct {
	// Listen is the TCP address to serve on, host:port. Port 0 takes a free
	// one; without a host it is every address of the machine.
	Listen string `yaml:"listen"`
	// Hosts are further names, lower case and without a port, that a server on
	// a loopback address answers to. Pages of these names are its own anywhere.
	Hosts []string `yaml:"hosts"`
	// PublicURL is where browsers reach the server, http or https, perhaps with a
	// path, without a slash at the end; empty: where it listens. Load puts its
	// host among Hosts.
	PublicURL string `yaml:"public_url"`
	// Data is the directory of the store. Store memory does not use it.
	Data string `yaml:"data"`
	// Store is the engine that keeps the items.
	Store Store `yaml:"store"`
	// Retention bounds the backlog of each feed that no rule says more about.
	Retention Retention `yaml:"retention"`
	// Feeds are rules for certain feeds: the first that matches counts, see
	// RetentionFor, ReadOpen and PublishOpen. Only the file can set them.
	Feeds []Rule `yaml:"feeds"`
	// Upstreams are the streams of other servers that are taken over into feeds
	// of this one. Only the file can set them.
	Upstreams []Upstream `yaml:"upstreams"`
	// Idempotency bounds what is remembered of Idempotency-Keys.
	Idempotency Idempotency `yaml:"idempotency"`
	// Heartbeat is how long a stream may be silent before it gets a sign of
	// life, 1s to 10m.
	Heartbeat units.Duration `yaml:"heartbeat" least:"1s" most:"10m"`
	// Limits bound what one request, and what the whole server, may take.
	Limits Limits `yaml:"limits"`
	// Legacy is for pages of the two servers that feedd replaces. The group was
	// called forerunner; the old name is still valid.
	Legacy Legacy `yaml:"legacy"`
	// ShutdownTimeout is how long a stopping server waits for the publishes in
	// flight and for its streams to end, 1s to 1h.
	ShutdownTimeout units.Duration `yaml:"shutdown_timeout" least:"1s" most:"1h"`
	// Log says what is logged, and how.
	Log Log `yaml:"log"`
	// AdminKey is the credential of the administrator, empty for none. It
	// comes only from the environment, FEEDD_ADMIN_KEY, so that no file with
	// settings holds a secret.
	AdminKey Secret `yaml:"-"`
}

// Retention bounds the backlog of a feed. A bound of 0 is none.
type Retention struct {
	// MaxItems is how many items are kept.
	MaxItems int `yaml:"max_items" zero:"no bound" least:"1" json:"max_items"`
	// MaxBytes is how much the kept items may weigh together: data and event
	// names, in bytes. The newest item always stays.
	MaxBytes units.Size `yaml:"max_bytes" zero:"no bound" least:"1" json:"max_bytes"`
	// MaxAge is how long an item is kept, 0 or at least 1s.
	MaxAge units.Duration `yaml:"max_age" zero:"no bound" least:"1s" json:"max_age"`
}

// Idempotency bounds what the store remembers of Idempotency-Keys. A bound of
// 0 is none.
type Idempotency struct {
	// MaxAge is how long a key is remembered, 0 or at least 1s.
	MaxAge units.Duration `yaml:"max_age" zero:"no bound" least:"1s"`
	// MaxKeys is how many keys are remembered, over all feeds.
	MaxKeys int `yaml:"max_keys" zero:"no bound" least:"1"`
}

// Limits bound what one request, and what the whole server, may take.
type Limits struct {
	// MaxItemBytes is the largest item: its data and event name, in bytes. It
	// is at least 1 and at most MaxBodyBytes.
	MaxItemBytes units.Size `yaml:"max_item_bytes" least:"1"`
	// MaxBodyBytes is the largest body of a request, up to 1GiB: it is held in
	// memory.
	MaxBodyBytes units.Size `yaml:"max_body_bytes" least:"1" most:"1GiB"`
	// MaxBatchItems is how many items one publish may bring, 1 to 1,000,000.
	MaxBatchItems int `yaml:"max_batch_items" least:"1" most:"1000000"`
	// MaxSelectorTerms is how many terms a selector may have, 1 to 10,000.
	MaxSelectorTerms int `yaml:"max_selector_terms" least:"1" most:"10000"`
	// MaxAnonymousPatterns is how many of them may be patterns for a reader
	// without a credential, up to 10,000. 0: as many as terms.
	MaxAnonymousPatterns int `yaml:"max_anonymous_patterns" least:"0" most:"10000"`
	// MaxEventNames is how many event names a reader may ask for, up to 10,000.
	// 0: no bound.
	MaxEventNames int `yaml:"max_event_names" least:"0" most:"10000"`
	// MaxSelectionBytes is the memory for what all subscribers select, beyond
	// the first KiB of each, and MaxSelectionBytesPerIP for those of one IPv4
	// address or IPv6 /64. 0: no bound.
	MaxSelectionBytes      units.Size `yaml:"max_selection_bytes" least:"0"`
	MaxSelectionBytesPerIP units.Size `yaml:"max_selection_bytes_per_ip" least:"0"`
	// MaxFeeds is how many feeds the store may have, at least 1.
	MaxFeeds int `yaml:"max_feeds" least:"1"`
	// MaxStoreBytes is how large the store may grow, on disk or, with store
	// memory, in memory; at least 1MiB. When it is reached publishing stops.
	MaxStoreBytes units.Size `yaml:"max_store_bytes" least:"1MiB"`
	// DiskReserve is how much of the disk is kept for operations that make room,
	// so that deleting, purging and trimming go on when the disk is full; at
	// least 1MiB, and less on a small disk or with a small MaxStoreBytes. 0:
	// nothing is kept.
	DiskReserve units.Size `yaml:"disk_reserve" zero:"no bound" least:"1MiB"`
	// MaxWindowBytes is the memory for the newest items of all feeds together,
	// from which live readers are served; at least 1MiB.
	MaxWindowBytes units.Size `yaml:"max_window_bytes" least:"1MiB"`
	// MaxSubscribers is how many subscribers may be connected. 0: as many as
	// the process may have descriptors for.
	MaxSubscribers int `yaml:"max_subscribers" least:"0"`
	// MaxSubscribersPerIP is how many of them may come from one IPv4 address or
	// IPv6 /64. 0: as many as there may be.
	MaxSubscribersPerIP int `yaml:"max_subscribers_per_ip" least:"0"`
	// MaxBodiesBytes is the memory for all bodies that are being published
	// together, from their first byte to the answer; at least what the largest
	// one takes, to which it is raised if it is not set. Senders without a
	// credential may have a quarter of it.
	MaxBodiesBytes units.Size `yaml:"max_bodies_bytes" least:"16MiB"`
	// BodyTimeout is how long a body may pause while it comes, 1s to 1m.
	BodyTimeout units.Duration `yaml:"body_timeout" least:"1s" most:"1m"`
	// MaxAnonymousRate is how many publishes a second one IPv4 address or IPv6
	// /64 may send without a credential, if that is allowed at all; five times
	// as many at once. 0: no bound.
	MaxAnonymousRate int `yaml:"max_anonymous_rate" least:"0" most:"1000000"`
	// MaxAnonymousItems and MaxAnonymousBytes bound, likewise, the items and the
	// bytes of the bodies of these publishes. Unset, items follow the rate, and a
	// rate without a bound leaves bytes without one.
	MaxAnonymousItems int        `yaml:"max_anonymous_items" least:"0" most:"1000000"`
	MaxAnonymousBytes units.Size `yaml:"max_anonymous_bytes" least:"0" most:"1GiB"`
	// MaxAnonymousItemBytes is the largest item that may be published without a
	// credential, at least 1; MaxItemBytes bounds it too.
	MaxAnonymousItemBytes units.Size `yaml:"max_anonymous_item_bytes" least:"1"`
	// MaxAnonymousBatchItems is how many items one publish without a credential
	// may bring, 1 to 1,000,000. 1: no batches.
	MaxAnonymousBatchItems int `yaml:"max_anonymous_batch_items" least:"1" most:"1000000"`
	// StallTimeout is how long a subscriber may take nothing of what waits for
	// it before it is cut, 1s to 1h.
	StallTimeout units.Duration `yaml:"stall_timeout" least:"1s" most:"1h"`
}

// Legacy is for pages of the two small servers that feedd replaces. These pages
// work unchanged: a live feed by long polling, and a chat over WebSocket.
type Legacy struct {
	// Feed is what POST /send_feed_item appends to and GET /real_time_feed
	// reads. Empty: there is no such feed.
	Feed string `yaml:"feed"`
	// FeedPublish says who may post to /send_feed_item.
	FeedPublish Access `yaml:"feed_publish"`
	// Chat is the feed of /chat. Empty: there is no chat.
	Chat string `yaml:"chat"`
	// ChatPublish says who may speak in /chat.
	ChatPublish Access `yaml:"chat_publish"`
}

// Log says what is logged, and how.
type Log struct {
	// Level is the least level that is logged.
	Level Level `yaml:"level"`
	// Format is how a record is written.
	Format Format `yaml:"format"`
	// MaxQueueBytes is how many bytes of log records may wait to be written, 64KiB
	// to 1GiB. Records that have no room are dropped and counted.
	MaxQueueBytes units.Size `yaml:"max_queue_bytes" least:"64KiB" most:"1GiB"`
}

// Default returns the settings that hold where no layer says anything. The file
// config.yaml says the same.
func Default() Config {
	return Config{
		Listen: "127.0.0.1:8001",
		Data:   "./data",
		Store:  SQLite,
		Retention: Retention{
			MaxItems: 10_000,
			MaxBytes: 64 * units.MiB,
			MaxAge:   30 * units.Day,
		},
		Idempotency: Idempotency{
			MaxAge:  units.Day,
			MaxKeys: 1_000_000,
		},
		Heartbeat: units.Duration(15 * time.Second),
		Limits: Limits{
			MaxItemBytes:     units.MiB,
			MaxBodyBytes:     16 * units.MiB,
			MaxBatchItems:    10_000,
			MaxSelectorTerms: 256,

			MaxAnonymousPatterns:   16,
			MaxEventNames:          64,
			MaxSelectionBytes:      64 * units.MiB,
			MaxSelectionBytesPerIP: 16 * units.MiB,

			MaxFeeds:       100_000,
			MaxStoreBytes:  16 * units.GiB,
			DiskReserve:    16 * units.MiB,
			MaxWindowBytes: 64 * units.MiB,
			// Two of the largest bodies, or six batches of 10 MB. That is more than a
			// transaction of the store takes, so more memory would not make
			// publishing faster.
			MaxBodiesBytes:         128 * units.MiB,
			BodyTimeout:            units.Duration(20 * time.Second),
			MaxAnonymousRate:       20,
			MaxAnonymousItems:      20,
			MaxAnonymousBytes:      64 * units.KiB,
			MaxAnonymousItemBytes:  64 * units.KiB,
			MaxAnonymousBatchItems: 1,
			StallTimeout:           units.Duration(30 * time.Second),
		},
		Legacy:          Legacy{Feed: "main", FeedPublish: Token, Chat: "chat", ChatPublish: Token},
		ShutdownTimeout: units.Duration(20 * time.Second),
		Log:             Log{Level: LevelInfo, Format: Text, MaxQueueBytes: units.MiB},
	}
}

// Stream returns the retention as the core takes it.
func (r Retention) Stream() stream.Retention {
	return stream.Retention{MaxItems: r.MaxItems, MaxBytes: int64(r.MaxBytes), MaxAge: time.Duration(r.MaxAge)}
}

// RetentionOf returns the core's retention as settings.
func RetentionOf(r stream.Retention) Retention {
	return Retention{MaxItems: r.MaxItems, MaxBytes: units.Size(r.MaxBytes), MaxAge: units.Duration(r.MaxAge)}
}
