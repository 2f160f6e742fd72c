package api

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"feedd/internal/access"
	"feedd/internal/answer"
	"feedd/internal/clip"
	"feedd/internal/problem"
	"feedd/internal/publish"
	"feedd/internal/selector"
	"feedd/internal/socket"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
)

// Server answers feedd's HTTP requests.
type Server struct {
	gate        *access.Gate
	problems    *problem.Reporter
	logger      *slog.Logger
	readers     *subscribe.Readers
	sockets     *socket.Sockets
	connections *connections
	observer    *observer
	metrics     *metrics
	handler     http.Handler
}

// New returns a server. It fails if a page is missing.
func New(o Options) (*Server, error) {
	assets, err := loadAssets(o.Pages.Files, o.Legacy.Chat != "")
	if err != nil {
		return nil, err
	}
	if _, ok := assets[chatPage]; !ok && o.Legacy.Chat != "" {
		return nil, fmt.Errorf("there is no %s", chatPage)
	}
	delete(assets, "/chat") // it is a route of its own, if there is a chat

	problems := problem.NewReporter(o.Logger, cmp.Or(o.Timeouts.RefusedBody, problem.RefusedBody))
	gate := access.NewGate(access.Options{
		Auth: o.Access.Auth, Sessions: o.Access.Sessions, Problems: problems, Hosts: o.Access.Hosts, Names: o.Access.Names,
		MaxSelectorTerms: o.Access.MaxSelectorTerms, MaxAnonymousPatterns: o.Access.MaxAnonymousPatterns,
	})
	answers := answer.New(o.Timeouts.Stall, o.MaxUnreadBytes)
	bodies := publish.NewBodies(o.Publish.MaxBodiesBytes, o.Timeouts.Body, cmp.Or(o.Timeouts.RefusedBody, problem.RefusedBody))
	ready := publish.NewReadiness(cmp.Or(o.Timeouts.Ready, publish.ReadyFor))
	publisher := publish.New(publish.Options{
		Hub: o.Store.Hub, Engine: o.Store.Engine, Gate: gate, Answers: answers, Bodies: bodies, Ready: ready, Limits: o.Publish,
	})
	readers := subscribe.New(subscribe.Options{
		Hub: o.Store.Hub, Own: o.Store.Own, Shards: o.Store.Shards, Gate: gate, Answers: answers, Problems: problems, Logger: o.Logger,
		Limits: o.Subscribe, Heartbeat: o.Timeouts.Heartbeat, StallTimeout: o.Timeouts.Stall,
		PeerLook: cmp.Or(o.Timeouts.PeerLook, subscribe.PeerLook),
	})
	sockets := socket.New(socket.Options{
		Readers: readers, Publisher: publisher, Bodies: bodies, Gate: gate, Problems: problems,
		Heartbeat: o.Timeouts.Heartbeat, StallTimeout: o.Timeouts.Stall, Farewell: cmp.Or(o.Timeouts.Farewell, socket.FarewellTimeout),
	})
	connections := &connections{
		shards: o.Store.Shards, sockets: sockets, problems: problems, most: o.MaxConnections,
		open: make(map[net.Conn]*list.Element),
	}
	others := append(publisher.Metrics(), problems.Metrics())
	others = append(append(others, readers.Metrics()...), o.Metrics...)

	s := &Server{
		gate: gate, problems: problems, logger: o.Logger, readers: readers, sockets: sockets, connections: connections,
		metrics:  newMetrics(o.Store.Engine, connections, others...),
		observer: &observer{hub: o.Store.Hub, own: o.Store.Own, engine: o.Store.Engine, readers: readers, logger: o.Logger},
	}
	s.handler = (&rooms{
		assets:    assets,
		publisher: publisher,
		answers:   answers,
		reading:   reading{hub: o.Store.Hub, own: o.Store.Own, gate: gate, readers: readers, sockets: sockets, page: assets["/"]},
		feeds: feeds{
			hub: o.Store.Hub, engine: o.Store.Engine, gate: gate, answers: answers, bodies: bodies, retention: o.Retention, logger: o.Logger,
		},
		listings: listings{
			hub: o.Store.Hub, engine: o.Store.Engine, gate: gate, answers: answers, format: o.Retention.Format,
			rateOver: cmp.Or(o.Timeouts.Rate, rateOver), anonymous: make(chan struct{}, 1), others: make(chan struct{}, 1),
			feeds: kept[selector.Key, []stream.FeedInfo]{most: keptLists}, lists: kept[listKey, []byte]{most: keptAnswers},
		},
		legacy: legacy{
			feed: o.Legacy.Feed, open: o.Legacy.FeedOpen, hub: o.Store.Hub, gate: gate, answers: answers,
			publisher: publisher, readers: readers, logger: o.Logger,
		},
		chat: chat{
			feed: o.Legacy.Chat, open: o.Legacy.ChatOpen, hub: o.Store.Hub, gate: gate, answers: answers,
			publisher: publisher, sockets: sockets, page: assets[chatPage],
		},
		sessions: sessions{
			auth: o.Access.Auth, sessions: o.Access.Sessions, gate: gate, answers: answers, bodies: bodies, url: o.Pages.URL, logger: o.Logger,
		},
		admin:   admin{readers: readers, engine: o.Store.Engine, answers: answers, config: o.Config, logger: o.Logger},
		health:  health{hub: o.Store.Hub, engine: o.Store.Engine, inPlace: o.Store.InPlace, ready: ready},
		metrics: s.metrics,
	}).routes(s)
	return s, nil
}

// Handler returns the handler for the network.
func (s *Server) Handler() http.Handler {
	return s.secure(s.gate.CheckHost(s.gate.CheckOrigin(s.handler)))
}

// LocalHandler returns the handler for a socket that only the owner of the
// data can reach: every request there is the administrator's.
func (s *Server) LocalHandler() http.Handler {
	return s.secure(s.gate.IdentifyOwner(s.handler))
}

// Returning returns a listener for the http.Server that serves the network
// already, at addr: it accepts the connections of answered long polls when
// their peers ask for something else. Without it every long poll keeps a
// goroutine. It is called once, before anything is served.
func (s *Server) Returning(addr net.Addr) net.Listener { return s.readers.Returning(addr) }

// ConnState is for http.Server.ConnState.
func (s *Server) ConnState(conn net.Conn, state http.ConnState) { s.connections.changed(conn, state) }

// Observe publishes the server's figures in StatsFeed, once in every interval,
// until ctx ends.
func (s *Server) Observe(ctx context.Context, every time.Duration) { s.observer.observe(ctx, every) }

// Recheck cuts the subscribers that may read only by a key or a rule that is no
// longer in force.
func (s *Server) Recheck() { s.readers.Recheck() }

// Register adds metrics to GET /metrics: those of parts that are made after the
// server.
func (s *Server) Register(metrics ...prometheus.Collector) {
	s.metrics.registry.MustRegister(metrics...)
}

// Close waits for the WebSockets to end, as they do when the hub drains. When
// ctx ends, it cuts those that are left.
func (s *Server) Close(ctx context.Context) { s.sockets.Close(ctx) }

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
			// No body may take for ever, even if no handler reads it.
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
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			s.logger.Error("panic", "method", clip.Text(r.Method), "path", clip.Text(r.URL.Path), "value", clip.Text(fmt.Sprint(v)), "stack", string(debug.Stack()))
			s.problems.Write(w, r, &problem.Internal)
		}()
		next.ServeHTTP(w, r)
	})
}
