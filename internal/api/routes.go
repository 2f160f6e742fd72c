package api

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"feedd/internal/answer"
	"feedd/internal/problem"
	"feedd/internal/publish"
)

// rooms hold the handlers, by what requests are for.
type rooms struct {
	assets    map[string]asset
	publisher *publish.Publisher
	answers   *answer.Answers
	reading   reading
	feeds     feeds
	listings  listings
	legacy    legacy
	chat      chat
	sessions  sessions
	admin     admin
	health    health
	metrics   *metrics
}

// routes is the table of contents.
func (m *rooms) routes(s *Server) chi.Router {
	handle, lingering := s.problems.Handle, m.answers.Lingering
	r := chi.NewRouter()
	r.Use(s.recoverPanic, middleware.GetHead, s.gate.Identify)
	r.NotFound(handle(func(w http.ResponseWriter, r *http.Request) error { return &problem.NotFound }))
	r.MethodNotAllowed(handle(func(w http.ResponseWriter, req *http.Request) error { return m.otherMethod(w, req, r) }))

	// These routes outrank a page of the same name.
	for path, asset := range m.assets {
		r.Get(path, handle(asset.serve))
	}

	r.Get("/feeds", handle(lingering(m.listings.list)))
	r.Post("/feeds/{feed}", handle(m.publisher.Post))
	r.Get("/feeds/{feed}", handle(m.reading.read))
	r.Delete("/feeds/{feed}", handle(m.feeds.purge))
	r.Get("/feeds/{feed}/items/{id}", handle(lingering(m.feeds.getItem)))
	r.Delete("/feeds/{feed}/items/{id}", handle(lingering(m.feeds.deleteItem)))
	r.Get("/feeds/{feed}/settings", handle(lingering(m.feeds.getSettings)))
	r.Put("/feeds/{feed}/settings", handle(lingering(m.feeds.putSettings)))
	r.Delete("/feeds/{feed}/settings", handle(lingering(m.feeds.deleteSettings)))

	if m.legacy.feed != "" {
		r.Post("/send_feed_item", handle(m.legacy.sendFeedItem))
		r.Get("/real_time_feed", handle(m.legacy.realTimeFeed))
	}
	if m.chat.feed != "" {
		r.Get("/chat", handle(m.chat.get))
		r.Post("/chat", handle(m.chat.post))
	}

	r.Post("/session", handle(m.sessions.signIn))
	r.Get("/session", handle(m.sessions.getSession))
	r.Delete("/session", handle(m.sessions.signOut))
	r.Post("/tickets", handle(m.sessions.newTicket))

	r.Get("/subscribers", handle(m.admin.listSubscribers))
	r.Delete("/subscribers/{id}", handle(m.admin.cutSubscriber))
	r.Get("/config", handle(m.admin.getConfig))

	r.Get("/healthz", handle(m.health.healthz))
	r.Get("/readyz", handle(m.health.readyz))
	r.Get("/metrics", handle(m.metrics.get))

	return r
}

// otherMethod answers OPTIONS, and a method that a path does not have, with the
// methods that it has. chi treats a method that it does not know as one that is
// not allowed, on any path.
//
// OPTIONS / is how HAProxy asks for the health of a server if nothing else is
// configured, so a server that stops says so there too.
func (m *rooms) otherMethod(w http.ResponseWriter, r *http.Request, routes chi.Routes) error {
	var allowed []string
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE"} {
		match := method
		if match == "HEAD" {
			match = "GET"
		}
		if routes.Match(chi.NewRouteContext(), match, path) {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return &problem.NotFound
	}
	if r.Method != http.MethodOptions {
		return problem.MethodNotAllowed.Allow(strings.Join(allowed, ", "))
	}
	if m.health.hub.Stopping() {
		return &problem.Draining
	}
	w.Header().Set("Allow", strings.Join(append(allowed, r.Method), ", "))
	w.WriteHeader(http.StatusNoContent)
	return nil
}
