package api

import (
	"io/fs"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"feedd/internal/auth"
	"feedd/internal/fanout"
	"feedd/internal/publish"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
)

// Options is what a Server needs. All fields are required, except where a field
// says otherwise.
type Options struct {
	Store     Store
	Access    Access
	Publish   publish.Limits
	Subscribe subscribe.Limits
	Timeouts  Timeouts
	Pages     Pages
	Retention Retention
	Legacy    Legacy // the zero value: there is none

	// MaxConnections is how many connections there may be, subscribers and all,
	// before idle ones are closed; 0: no bound.
	MaxConnections int
	// MaxUnreadBytes is the memory for large answers that clients have not read
	// yet, all together, in bytes; 0: 128 MiB.
	MaxUnreadBytes int64

	// Config returns the configuration in force, as YAML.
	Config func() []byte
	// Metrics are further ones for GET /metrics; there may be none.
	Metrics []prometheus.Collector
	Logger  *slog.Logger
}

// Store is what is served.
type Store struct {
	Hub    *stream.Hub
	Engine stream.Engine  // the hub's log
	Shards *fanout.Shards // of the hub
	// Own is the hub of feedd's own feeds, which are in memory.
	Own *stream.Hub
	// InPlace, if it is set, returns why the next start would not find what is
	// stored now, nil if it would.
	InPlace func() error
}

// Access is who may do what, and under which names the server is reached.
type Access struct {
	Auth *auth.Authority
	// Sessions are of the browsers that are signed in.
	Sessions *auth.Sessions
	// Hosts are the names, without a port, that requests must be addressed to;
	// nil: any. A server on loopback sets it, or any page could reach it
	// through a name of its own that resolves to 127.0.0.1 (DNS rebinding).
	Hosts []string
	// Names are what the operator calls this server, without a port: pages of
	// these names are its own, even if a proxy before it passes another Host on.
	// They are no reason to refuse a request.
	Names []string
	// MaxSelectorTerms is how many names and patterns a selector may have, at
	// least 1; MaxAnonymousPatterns how many patterns without a credential, 0: no
	// other bound.
	MaxSelectorTerms     int
	MaxAnonymousPatterns int
}

// Timeouts are how long things may take.
type Timeouts struct {
	// Heartbeat is how long a stream is silent at most.
	Heartbeat time.Duration
	// Stall is how long a client may take nothing of what waits for it.
	Stall time.Duration
	// Body is how long a body may pause.
	Body time.Duration
	// RefusedBody is how long the rest of a refused body may take to come; 0:
	// problem.RefusedBody.
	RefusedBody time.Duration
	// PeerLook is how often a handler that waits looks whether its peer has ended;
	// 0: subscribe.PeerLook.
	PeerLook time.Duration
	// Ready is how long a commit, or a probe, proves that publishing works; 0:
	// publish.ReadyFor.
	Ready time.Duration
	// Farewell is how long a client may take to answer the closing of a
	// WebSocket; 0: socket.FarewellTimeout.
	Farewell time.Duration
	// Rate is the time over which the rate of a feed is taken; 0: 10 s.
	Rate time.Duration
}

// Pages are the embedded pages.
type Pages struct {
	Files fs.FS // index.html, chat.html if there is a chat, and what they load
	// URL is where browsers on this machine reach the server, without a slash at
	// the end.
	URL string
}

// Retention reads and writes the settings of a feed.
type Retention struct {
	// Parse reads their JSON; what it leaves out comes from base. Format is its
	// reverse.
	Parse  func(body []byte, base stream.Retention) (stream.Retention, error)
	Format func(r stream.Retention) []byte
	// Base is the configured retention of a feed.
	Base func(feed string) stream.Retention
}
