package api

import (
	"container/list"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"feedd/internal/access"
	"feedd/internal/answer"
	"feedd/internal/problem"
	"feedd/internal/publish"

	"github.com/prometheus/client_golang/prometheus"

	"feedd/internal/auth"
	"feedd/internal/budget"
	"feedd/internal/clip"
	"feedd/internal/fanout"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

// Options is what a Server needs. All fields are required but those that say
// otherwise.
type Options struct {
	Hub *stream.Hub
	// Own is the hub of feedd's own feeds, which are in memory.
	Own    *stream.Hub
	Shards *fanout.Shards // of the hub
	Engine stream.Engine  // the hub's log
	Auth   *auth.Authority
	// Sessions are of the browsers that are signed in.
	Sessions *auth.Sessions
	// URL is where browsers on this machine reach the server, without a slash
	// at the end.
	URL   string
	Pages fs.FS // index.html, chat.html where there is a chat, and what they load
	Log   *slog.Logger

	// Metrics are further ones for GET /metrics; there may be none.
	Metrics []prometheus.Collector

	// InPlace, where it is set, returns why the next start would not find what is
	// stored now, nil where it would.
	InPlace func() error

	// Hosts are the names, without a port, that requests must be addressed to;
	// nil: any. A server on loopback sets it, or any page could reach it
	// through a name of its own that resolves to 127.0.0.1 (DNS rebinding).
	Hosts []string
	// Names are what the operator calls this server, without a port: pages of
	// these names are its own, also where a proxy before it passes another Host
	// on. They are no reason to refuse a request.
	Names []string

	Heartbeat        time.Duration
	StallTimeout     time.Duration
	MaxSelectorTerms int
	// MaxAnonymousPatterns is how many patterns a selector may have without a
	// credential, and MaxEventNames how many event names one may ask for; 0: no
	// bound.
	MaxAnonymousPatterns int
	MaxEventNames        int
	// MaxSelectionBytes bounds the memory for what subscribers select, and
	// MaxSelectionBytesPerIP that for those of one address; 0: no bound.
	MaxSelectionBytes      int64
	MaxSelectionBytesPerIP int64
	MaxSubscribers         int
	// MaxSubscribersPerIP bounds those from one IPv4 address or IPv6 /64; 0: no
	// bound.
	MaxSubscribersPerIP int

	// MaxUnreadBytes is the memory for large answers that clients have not read
	// yet, all together; 0: 128 MiB.
	MaxUnreadBytes int64
	// BodyTimeout is how long a body may pause.
	BodyTimeout time.Duration

	// Publish bounds what is published.
	Publish publish.Limits
	// ReadyFor is how long a commit, or a probe, is proof: see publish.ReadyFor.
	ReadyFor time.Duration

	// Forerunner is for the pages of the two servers that feedd replaces.
	Forerunner Forerunner

	// MaxConnections is how many connections there may be, subscribers and all,
	// before idle ones are closed; 0: no bound.
	MaxConnections int

	// ParseRetention reads the JSON of a feed's settings; what it leaves out
	// comes from base. FormatRetention is its reverse.
	ParseRetention  func(body []byte, base stream.Retention) (stream.Retention, error)
	FormatRetention func(r stream.Retention) []byte
	// Config returns the settings in force, as YAML.
	Config func() []byte
	// BaseRetention is the configured retention of a feed.
	BaseRetention func(feed string) stream.Retention
}

// Server answers feedd's HTTP requests.
type Server struct {
	Options
	pages     map[string]page
	gate      *access.Gate
	metrics   *metrics
	ready     *publish.Readiness
	publisher *publish.Publisher
	problems  *problem.Reporter
	handler   http.Handler

	guests      guests
	selections  selections
	listings    *listings
	replies     replies
	returned    *returned // nil: nobody takes connections back
	connections connections
	sockets     sockets
	bodies      *publish.Bodies
	farewell    time.Duration // see farewellTimeout
	rateOver    time.Duration // see rateOver
	looped      loops
	answers     *answer.Answers
}

// New returns a server. It fails when a page is missing.
func New(opts Options) (*Server, error) {
	s := &Server{Options: opts, farewell: farewellTimeout, rateOver: rateOver}
	s.guests.server = s
	s.problems = problem.NewReporter(opts.Log)
	s.gate = access.NewGate(access.Options{
		Auth: opts.Auth, Sessions: opts.Sessions, Problems: s.problems, Hosts: opts.Hosts, Names: opts.Names,
		MaxSelectorTerms: opts.MaxSelectorTerms, MaxAnonymousPatterns: opts.MaxAnonymousPatterns,
	})
	s.answers = answer.New(opts.StallTimeout, opts.MaxUnreadBytes)
	s.bodies = publish.NewBodies(opts.Publish.MaxBodiesBytes, opts.BodyTimeout)
	s.ready = publish.NewReadiness(opts.ReadyFor)
	s.publisher = publish.New(publish.Options{
		Hub: opts.Hub, Engine: opts.Engine, Gate: s.gate, Answers: s.answers, Bodies: s.bodies, Ready: s.ready,
		Limits: opts.Publish,
	})
	s.listings = newListings()
	s.selections.budget = budget.New(opts.MaxSelectionBytes, opts.MaxSelectionBytesPerIP)
	s.selections.held = make(map[selector.Key]*heldSelection)
	s.sockets.cut, s.sockets.cutAll = context.WithCancel(context.Background())
	s.connections.open = make(map[net.Conn]*list.Element)
	s.metrics = newMetrics(s)
	pages, err := loadPages(opts.Pages, opts.Forerunner.Chat != "")
	if err != nil {
		return nil, err
	}
	if _, ok := pages[chatPage]; !ok && s.Forerunner.Chat != "" {
		return nil, fmt.Errorf("there is no %s", chatPage)
	}
	delete(pages, "/chat") // a route of its own, where there is a chat
	s.pages = pages
	s.handler = s.routes()
	return s, nil
}

// Handler returns the handler for the network.
func (s *Server) Handler() http.Handler {
	return s.secure(s.gate.CheckHost(s.gate.CheckOrigin(s.handler)))
}

// LocalHandler returns the handler for a socket that only the owner of the
// data can reach: whoever comes there is the administrator.
func (s *Server) LocalHandler() http.Handler {
	return s.secure(s.gate.IdentifyOwner(s.handler))
}

// secure sets the headers that every answer has.
func (s *Server) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		if r.ContentLength != 0 {
			if r.Method == http.MethodGet || r.Method == http.MethodHead {
				h.Set("Connection", "close") // or the server would wait for the body
				s.problems.Write(w, r, problem.BadRequest.With("a %s has no body here", r.Method))
				return
			}
			// Nobody waits for a body for ever, also where nobody reads it.
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(publish.PaceAfter))
		}
		next.ServeHTTP(w, r)
	})
}

// recoverPanic turns a panic into an answer, and lets http.ErrAbortHandler
// through.
func (s *Server) recoverPanic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			s.Log.Error("panic", "method", clip.Text(r.Method), "path", clip.Text(r.URL.Path), "value", clip.Text(fmt.Sprint(v)), "stack", string(debug.Stack()))
			s.problems.Write(w, r, &problem.Internal)
		}()
		next.ServeHTTP(w, r)
	})
}
