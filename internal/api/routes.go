package api

import (
	"net/http"
	"strings"

	"feedd/internal/problem"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// routes is the table of contents.
func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(s.recoverPanic, middleware.GetHead, s.gate.Identify)
	r.NotFound(s.problems.Handle(func(w http.ResponseWriter, r *http.Request) error { return &problem.NotFound }))
	r.MethodNotAllowed(s.problems.Handle(func(w http.ResponseWriter, req *http.Request) error { return s.otherMethod(w, req, r) }))

	// What follows takes a path away from a page of the same name.
	for path, page := range s.pages {
		r.Get(path, s.problems.Handle(page.serve))
	}

	r.Get("/feeds", s.problems.Handle(s.answers.Lingering(s.listFeeds)))
	r.Post("/feeds/{feed}", s.problems.Handle(s.publisher.Post))
	r.Get("/feeds/{feed}", s.problems.Handle(s.read))
	r.Delete("/feeds/{feed}", s.problems.Handle(s.purge))
	r.Get("/feeds/{feed}/items/{id}", s.problems.Handle(s.answers.Lingering(s.getItem)))
	r.Delete("/feeds/{feed}/items/{id}", s.problems.Handle(s.answers.Lingering(s.deleteItem)))
	r.Get("/feeds/{feed}/settings", s.problems.Handle(s.answers.Lingering(s.getSettings)))
	r.Put("/feeds/{feed}/settings", s.problems.Handle(s.answers.Lingering(s.putSettings)))
	r.Delete("/feeds/{feed}/settings", s.problems.Handle(s.answers.Lingering(s.deleteSettings)))

	if s.Forerunner.Feed != "" {
		r.Post("/send_feed_item", s.problems.Handle(s.sendFeedItem))
		r.Get("/real_time_feed", s.problems.Handle(s.realTimeFeed))
	}
	if s.Forerunner.Chat != "" {
		r.Get("/chat", s.problems.Handle(s.chat))
		r.Post("/chat", s.problems.Handle(s.postChat))
	}

	r.Post("/session", s.problems.Handle(s.signIn))
	r.Get("/session", s.problems.Handle(s.getSession))
	r.Delete("/session", s.problems.Handle(s.signOut))
	r.Post("/tickets", s.problems.Handle(s.newTicket))

	r.Get("/subscribers", s.problems.Handle(s.listSubscribers))
	r.Delete("/subscribers/{id}", s.problems.Handle(s.cutSubscriber))
	r.Get("/config", s.problems.Handle(s.getConfig))

	r.Get("/healthz", s.problems.Handle(s.healthz))
	r.Get("/readyz", s.problems.Handle(s.readyz))
	r.Get("/metrics", s.problems.Handle(s.serveMetrics))

	return r
}

// otherMethod answers a method that a path does not have, and OPTIONS, with those
// that it does have. chi takes a method that it does not know for one that is not
// allowed, on any path.
//
// OPTIONS / is how HAProxy asks for the health of a server where nothing else is
// configured, so a server that goes down says so there too.
func (s *Server) otherMethod(w http.ResponseWriter, r *http.Request, routes chi.Routes) error {
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
	if s.draining() {
		return &problem.Draining
	}
	w.Header().Set("Allow", strings.Join(append(allowed, r.Method), ", "))
	w.WriteHeader(http.StatusNoContent)
	return nil
}
