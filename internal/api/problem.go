package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"feedd/internal/clip"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

// problem is an error with the answer that it gets. Its type is a stable word
// that programs may rely on; the detail is for people.
type problem struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	// Offset and Line say where a body is wrong, as wire.SyntaxError does: nil
	// and 0 for nowhere.
	Offset *int64 `json:"offset,omitempty"`
	Line   int    `json:"line,omitempty"`

	// RetryAfter is when to come back, in seconds, as the header says: a frame
	// has none. 0: nothing is said.
	RetryAfter int `json:"retry_after,omitempty"`

	limit  string // the setting that was hit, for the metrics
	header http.Header
}

func (p *problem) Error() string { return p.Title + ": " + p.Detail }

// with returns a copy that says more.
func (p problem) with(format string, args ...any) *problem {
	p.Detail = fmt.Sprintf(format, args...)
	return &p
}

func (p problem) because(err error) *problem { return p.with("%s", err) }

// at returns a copy that says where the body is wrong.
func (p problem) at(err *wire.SyntaxError) *problem {
	p.Offset, p.Line = &err.Offset, err.Line
	return p.because(err)
}

// hit returns a copy that names the setting whose limit was reached.
func (p problem) hit(limit string) problem {
	p.limit = limit
	return p
}

// The problems, by type. A type never changes its meaning.
var (
	badFeed          = problem{Status: 400, Type: "bad-feed", Title: "The feed name is not valid"}
	badSelector      = problem{Status: 400, Type: "bad-selector", Title: "The selector is not valid"}
	badQuery         = problem{Status: 400, Type: "bad-query", Title: "The query is not valid"}
	badJSON          = problem{Status: 400, Type: "bad-json", Title: "The body is not valid JSON"}
	badFrame         = problem{Status: 400, Type: "bad-frame", Title: "The frame is not valid"}
	badText          = problem{Status: 400, Type: "bad-text", Title: "The body is not valid text"}
	badKey           = problem{Status: 400, Type: "bad-idempotency-key", Title: "The Idempotency-Key is not valid"}
	badSettings      = problem{Status: 400, Type: "bad-settings", Title: "The settings are not valid"}
	badRequest       = problem{Status: 400, Type: "bad-request", Title: "The request is not valid"}
	emptyItem        = problem{Status: 400, Type: "empty-item", Title: "There is nothing to publish"}
	unauthorized     = problem{Status: 401, Type: "unauthorized", Title: "A valid credential is needed"}
	forbidden        = problem{Status: 403, Type: "forbidden", Title: "This credential does not allow it"}
	crossOrigin      = problem{Status: 403, Type: "cross-origin", Title: "A page of another origin may not do this"}
	notFound         = problem{Status: 404, Type: "not-found", Title: "There is nothing here"}
	notAllowed       = problem{Status: 405, Type: "method-not-allowed", Title: "The method is not allowed here"}
	notAcceptable    = problem{Status: 406, Type: "not-acceptable", Title: "None of the accepted formats is available"}
	timeout          = problem{Status: 408, Type: "timeout", Title: "The body took too long to come"}
	tooLarge         = problem{Status: 413, Type: "too-large", Title: "The body is too large"}
	badType          = problem{Status: 415, Type: "unsupported-media-type", Title: "The content type is not supported"}
	misdirected      = problem{Status: 421, Type: "misdirected", Title: "This server does not answer to that host name"}
	upgradeRequired  = problem{Status: 426, Type: "upgrade-required", Title: "This is spoken over WebSocket", header: http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}}
	tooManyPublishes = problem{Status: 429, Type: "too-many-publishes", Title: "You publish too fast"}
	keyReused        = problem{Status: 422, Type: "idempotency-key-reused", Title: "The Idempotency-Key was used for something else"}
	internal         = problem{Status: 500, Type: "internal", Title: "Something went wrong inside feedd"}
	unavailable      = problem{Status: 503, Type: "unavailable", Title: "The store does not work at the moment", RetryAfter: 5}
	storeFull        = problem{Status: 503, Type: "store-full", Title: "The store is full", RetryAfter: 60}
	tooManyFeeds     = problem{Status: 503, Type: "too-many-feeds", Title: "There are as many feeds as there may be", RetryAfter: 60}
	outcome          = problem{Status: 503, Type: "outcome-unknown", Title: "The store failed in the middle of the commit: the item may be stored or not. Repeat with the same Idempotency-Key to settle it", RetryAfter: 1}
	draining         = problem{Status: 503, Type: "draining", Title: "The server is going down", RetryAfter: 2}
	tooManyBodies    = problem{Status: 503, Type: "too-many-bodies", Title: "Too much is being published at the moment", RetryAfter: 2}
	tooManyAnswers   = problem{Status: 503, Type: "too-many-answers", Title: "Too many answers are not read yet", RetryAfter: 5}
	tooManySubs      = problem{Status: 503, Type: "too-many-subscribers", Title: "There are as many subscribers as there may be", RetryAfter: 5}
	selectionsFull   = problem{Status: 503, Type: "selections-full", Title: "What subscribers select takes as much memory as it may", RetryAfter: 5}
)

// refusedBody is how long the rest of a body that was refused may take.
const refusedBody = 5 * time.Second

// problemOf is the one table from error to answer.
func problemOf(err error) *problem {
	var p *problem
	var syntax *wire.SyntaxError
	var many *wire.TooManyError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &syntax):
		return badJSON.at(syntax)
	case errors.As(err, &many):
		p := tooLarge.because(many)
		if many.What == "items" {
			p.limit = "max_batch_items"
		}
		return p
	case errors.Is(err, wire.ErrEmpty):
		return emptyItem.because(err)
	case errors.Is(err, stream.ErrInvalid):
		return badRequest.because(err)
	case errors.Is(err, stream.ErrKeyReused):
		return keyReused.because(err)
	case errors.Is(err, stream.ErrTooManyFeeds):
		return tooManyFeeds.hit("max_feeds").because(err)
	case errors.Is(err, stream.ErrOutcomeUnknown):
		return outcome.because(err)
	case errors.Is(err, stream.ErrNoSpace):
		return storeFull.hit("disk_reserve").because(err)
	case errors.Is(err, stream.ErrFull):
		return storeFull.hit("max_store_bytes").because(err)
	case errors.Is(err, stream.ErrClosed):
		return draining.because(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unavailable.because(err)
	}
	return unavailable.because(err)
}

// writeProblem answers with an error. It does so too where the client seems to
// be gone: one that only ended its sending half still reads, and would take
// silence for a 200.
func (s *Server) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	s.countHit(p)
	if p.Status >= 500 && p.Type != draining.Type && r.Context().Err() == nil && s.warned.first(p.Type, time.Now()) {
		s.Log.LogAttrs(r.Context(), slog.LevelWarn, "request failed; more like it are not logged for a minute",
			slog.String("method", clip.Text(r.Method)), slog.String("path", clip.Text(r.URL.Path)), slog.String("type", p.Type), slog.Any("err", err))
	}
	if r.ContentLength != 0 {
		// The rest of the body is read only to keep the connection.
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(refusedBody))
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
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte(`{"type":"internal"}`)
	}
	w.Write(append(body, '\n'))
}

// countHit counts a problem that is a limit's.
func (s *Server) countHit(p *problem) {
	if p.limit != "" {
		s.metrics.limitHits.WithLabelValues(p.limit).Inc()
	}
}

// warned remembers which problems were logged lately, so that one that many
// requests meet does not fill the log.
type warned struct {
	mu sync.Mutex // guards at
	at map[string]time.Time
}

// first reports whether a problem of the type was not logged for a minute.
func (w *warned) first(problemType string, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.at[problemType]) < time.Minute {
		return false
	}
	if w.at == nil {
		w.at = make(map[string]time.Time)
	}
	w.at[problemType] = now
	return true
}
