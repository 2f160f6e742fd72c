package api

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"feedd/internal/problem"

	"github.com/go-chi/chi/v5"
)

// Routes returns the routes that the server has.
func (s *Server) Routes() chi.Routes { return s.handler.(chi.Routes) }

// PageRoutes returns the paths of the embedded files.
func (s *Server) PageRoutes() []string { return slices.Collect(maps.Keys(s.pages)) }

// PublishTypes returns the content types that may be published, sorted.
func PublishTypes() []string { return typeNames() }

// Bodies returns how many bytes of memory the publishes under way count.
func (s *Server) Bodies() int64 { return s.bodies.all.Used() }

// NewPace returns the pace of a body that may pause for so long.
func NewPace(pause time.Duration) *Pace { return &Pace{pace{pause: pause}} }

// Pace is pace.
type Pace struct{ pace pace }

// Deadline is deadline.
func (p *Pace) Deadline(now time.Time, got int) (time.Time, bool) { return p.pace.deadline(now, got) }

// TooFast is tooFast and then tooMuch: how many seconds to wait, 0 where it is
// allowed.
func (s *Server) TooFast(r *http.Request, items, bytes int) (wait int) {
	err := s.tooFast(r)
	if err == nil {
		err = s.tooMuch(r, items, bytes)
	}
	if err == nil {
		return 0
	}
	return problem.Of(err).RetryAfter
}

// SetFarewell sets how long a client may take to answer the closing of a
// WebSocket. It comes before the first of them.
func (s *Server) SetFarewell(d time.Duration) { s.farewell = d }

// SetReadyFor sets how long a commit or a probe is proof. It comes before the
// first request.
func (s *Server) SetReadyFor(d time.Duration) { s.ready.lasts = d }

// ForgetReady makes the last proof an old one.
func (s *Server) ForgetReady() { s.ready.doubt() }

// SetRateOver sets over how long the rates of feeds are. It comes before the
// first request.
func (s *Server) SetRateOver(d time.Duration) { s.rateOver = d }
