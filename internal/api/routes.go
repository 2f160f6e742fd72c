package api

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// routes is the table of contents.
func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(s.recoverPanic, middleware.GetHead, s.identify)
	r.NotFound(s.handle(func(w http.ResponseWriter, r *http.Request) error { return &notFound }))
	r.MethodNotAllowed(s.handle(func(w http.ResponseWriter, req *http.Request) error { return s.otherMethod(w, req, r) }))

	// What follows takes a path away from a page of the same name.
	for path, page := range s.pages {
		r.Get(path, s.handle(page.serve))
	}

	r.Get("/feeds", s.handle(s.lingers(s.listFeeds)))
	r.Post("/feeds/{feed}", s.handle(s.publish))
	r.Get("/feeds/{feed}", s.handle(s.read))
	r.Delete("/feeds/{feed}", s.handle(s.purge))
	r.Get("/feeds/{feed}/items/{id}", s.handle(s.lingers(s.getItem)))
	r.Delete("/feeds/{feed}/items/{id}", s.handle(s.lingers(s.deleteItem)))
	r.Get("/feeds/{feed}/settings", s.handle(s.lingers(s.getSettings)))
	r.Put("/feeds/{feed}/settings", s.handle(s.lingers(s.putSettings)))
	r.Delete("/feeds/{feed}/settings", s.handle(s.lingers(s.deleteSettings)))

	if s.Forerunner.Feed != "" {
		r.Post("/send_feed_item", s.handle(s.sendFeedItem))
		r.Get("/real_time_feed", s.handle(s.realTimeFeed))
	}
	if s.Forerunner.Chat != "" {
		r.Get("/chat", s.handle(s.chat))
		r.Post("/chat", s.handle(s.postChat))
	}

	r.Post("/session", s.handle(s.signIn))
	r.Get("/session", s.handle(s.getSession))
	r.Delete("/session", s.handle(s.signOut))
	r.Post("/tickets", s.handle(s.newTicket))

	r.Get("/subscribers", s.handle(s.listSubscribers))
	r.Delete("/subscribers/{id}", s.handle(s.cutSubscriber))
	r.Get("/config", s.handle(s.getConfig))

	r.Get("/healthz", s.handle(s.healthz))
	r.Get("/readyz", s.handle(s.readyz))
	r.Get("/metrics", s.handle(s.serveMetrics))

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
		return &notFound
	}
	if r.Method != http.MethodOptions {
		p := notAllowed
		p.header = http.Header{"Allow": {strings.Join(allowed, ", ")}}
		return &p
	}
	if s.draining() {
		return &draining
	}
	w.Header().Set("Allow", strings.Join(append(allowed, r.Method), ", "))
	w.WriteHeader(http.StatusNoContent)
	return nil
}
