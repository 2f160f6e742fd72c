package problem

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"feedd/internal/clip"
)

const (
	// RefusedBody is how long the rest of a body that was refused may take to
	// come. It is read only to keep the connection, or because most clients look
	// for an answer when they have sent everything: 5 s are enough for a body of
	// 16 MiB over 27 Mbit/s, and a connection that is slower is cheap to replace.
	RefusedBody = 5 * time.Second
	// quietFor is how long problems of a type are not logged after one was: a
	// fault that every request meets shows in the log, and does not fill it.
	quietFor = time.Minute
)

// Reporter writes problems to clients, counts those that are due to a limit,
// and logs those that are feedd's own fault.
type Reporter struct {
	logger  *slog.Logger
	refused time.Duration // see RefusedBody
	hits    *prometheus.CounterVec

	mu     sync.Mutex // guards logged
	logged map[string]time.Time
}

// NewReporter returns a reporter that logs to logger. The rest of a refused body
// may take refused: see RefusedBody.
func NewReporter(logger *slog.Logger, refused time.Duration) *Reporter {
	return &Reporter{
		logger: logger, refused: refused,
		logged: make(map[string]time.Time),
		hits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "feedd_limit_hits_total", Help: "Requests refused, or subscribers cut, by the setting that did it.",
		}, []string{"limit"}),
	}
}

// Metrics returns the counter of limits, for a registry.
func (rp *Reporter) Metrics() prometheus.Collector { return rp.hits }

// Handle makes an http.HandlerFunc of a handler that returns its error.
func (rp *Reporter) Handle(fn func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := fn(w, r); err != nil {
			rp.Write(w, r, err)
		}
	}
}

// Write answers with an error, even if the client seems to be gone: a client
// that only ended its sending half still reads, and would take silence for a
// 200.
func (rp *Reporter) Write(w http.ResponseWriter, r *http.Request, err error) {
	p := Of(err)
	rp.Count(p)
	if p.Status >= 500 && p.Type != Draining.Type && r.Context().Err() == nil && rp.first(p.Type, time.Now()) {
		rp.logger.LogAttrs(r.Context(), slog.LevelWarn, "request failed; more like it are not logged for a minute",
			slog.String("method", clip.Text(r.Method)), slog.String("path", clip.Text(r.URL.Path)), slog.String("type", p.Type), slog.Any("err", err))
	}
	if r.ContentLength != 0 {
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(rp.refused))
	}
	h := w.Header()
	for k, v := range p.header {
		h[k] = v
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="feedd"`)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	w.Write(append(p.JSON(), '\n'))
}

// JSON returns the problem as clients get it.
func (p *Problem) JSON() []byte {
	b, err := json.Marshal(p)
	if err != nil {
		return []byte(`{"type":"internal"}`)
	}
	return b
}

// Count counts a problem that is due to a limit. Write does so itself; Count is
// for problems that are told in another way.
func (rp *Reporter) Count(p *Problem) {
	if p.setting != "" {
		rp.CountLimit(p.setting, 1)
	}
}

// CountLimit counts n hits of a setting's limit that are no problem of a request.
func (rp *Reporter) CountLimit(setting string, n int) {
	rp.hits.WithLabelValues(setting).Add(float64(n))
}

// first reports whether no problem of the type was logged in the time before.
func (rp *Reporter) first(problemType string, now time.Time) bool {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	if now.Sub(rp.logged[problemType]) < quietFor {
		return false
	}
	rp.logged[problemType] = now
	return true
}
