// Package problem is what feedd answers when it refuses something or fails: the
// type, the one table from error to answer, and the writing, counting and logging
// of problems.
package problem

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

// Problem is an error with the answer that it gets, as RFC 9457 has it. It is
// immutable: each method returns a copy.
type Problem struct {
	Status int `json:"status"`
	// Type is a stable word that programs may rely on: a relative URI reference.
	Type  string `json:"type"`
	Title string `json:"title"`
	// Detail is for people, and may change.
	Detail string `json:"detail,omitempty"`
	// Offset, in bytes from 0, and Line, from 1, say where a body is wrong, as
	// wire.SyntaxError does: nil and 0 for nowhere.
	Offset *int64 `json:"offset,omitempty"`
	Line   int    `json:"line,omitempty"`

	// RetryAfter is when to come back, in seconds, as the header says: a frame
	// has none. 0: nothing is said.
	RetryAfter int `json:"retry_after,omitempty"`

	setting string      // whose limit was reached, "" for none
	header  http.Header // of the answer, beside those that all problems have
}

func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// With returns a copy with a detail.
func (p Problem) With(format string, args ...any) *Problem {
	p.Detail = fmt.Sprintf(format, args...)
	return &p
}

// Because returns a copy whose detail is an error's text.
func (p Problem) Because(err error) *Problem { return p.With("%s", err) }

// At returns a copy that says where the body is wrong.
func (p Problem) At(err *wire.SyntaxError) *Problem {
	p.Offset, p.Line = &err.Offset, err.Line
	return p.Because(err)
}

// Hit returns a copy that names the setting whose limit was reached.
func (p Problem) Hit(setting string) Problem {
	p.setting = setting
	return p
}

// Allow returns a copy whose answer names the methods that are allowed.
func (p Problem) Allow(methods string) *Problem {
	p.header = http.Header{"Allow": {methods}}
	return &p
}

// The problems, by type. A type never changes its meaning.
var (
	BadFeed              = Problem{Status: 400, Type: "bad-feed", Title: "The feed name is not valid"}
	BadSelector          = Problem{Status: 400, Type: "bad-selector", Title: "The selector is not valid"}
	BadQuery             = Problem{Status: 400, Type: "bad-query", Title: "The query is not valid"}
	BadJSON              = Problem{Status: 400, Type: "bad-json", Title: "The body is not valid JSON"}
	BadFrame             = Problem{Status: 400, Type: "bad-frame", Title: "The frame is not valid"}
	BadText              = Problem{Status: 400, Type: "bad-text", Title: "The body is not valid text"}
	BadIdempotencyKey    = Problem{Status: 400, Type: "bad-idempotency-key", Title: "The Idempotency-Key is not valid"}
	BadSettings          = Problem{Status: 400, Type: "bad-settings", Title: "The settings are not valid"}
	BadRequest           = Problem{Status: 400, Type: "bad-request", Title: "The request is not valid"}
	EmptyItem            = Problem{Status: 400, Type: "empty-item", Title: "There is nothing to publish"}
	Unauthorized         = Problem{Status: 401, Type: "unauthorized", Title: "A valid credential is needed"}
	Forbidden            = Problem{Status: 403, Type: "forbidden", Title: "This credential does not allow it"}
	CrossOrigin          = Problem{Status: 403, Type: "cross-origin", Title: "A page of another origin may not do this"}
	NotFound             = Problem{Status: 404, Type: "not-found", Title: "There is nothing here"}
	MethodNotAllowed     = Problem{Status: 405, Type: "method-not-allowed", Title: "The method is not allowed here"}
	NotAcceptable        = Problem{Status: 406, Type: "not-acceptable", Title: "None of the accepted formats is available"}
	Timeout              = Problem{Status: 408, Type: "timeout", Title: "The body took too long to come"}
	TooLarge             = Problem{Status: 413, Type: "too-large", Title: "The body is too large"}
	UnsupportedMediaType = Problem{Status: 415, Type: "unsupported-media-type", Title: "The content type is not supported"}
	Misdirected          = Problem{Status: 421, Type: "misdirected", Title: "This server does not answer to that host name"}
	UpgradeRequired      = Problem{Status: 426, Type: "upgrade-required", Title: "This is spoken over WebSocket", header: http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}}
	TooManyPublishes     = Problem{Status: 429, Type: "too-many-publishes", Title: "You publish too fast"}
	IdempotencyKeyReused = Problem{Status: 422, Type: "idempotency-key-reused", Title: "The Idempotency-Key was used for something else"}
	Internal             = Problem{Status: 500, Type: "internal", Title: "Something went wrong inside feedd"}
	Unavailable          = Problem{Status: 503, Type: "unavailable", Title: "The store does not work at the moment", RetryAfter: 5}
	StoreFull            = Problem{Status: 503, Type: "store-full", Title: "The store is full", RetryAfter: 60}
	TooManyFeeds         = Problem{Status: 503, Type: "too-many-feeds", Title: "There are as many feeds as there may be", RetryAfter: 60}
	OutcomeUnknown       = Problem{Status: 503, Type: "outcome-unknown", Title: "The store failed in the middle of the commit: the item may be stored or not. Repeat with the same Idempotency-Key to settle it", RetryAfter: 1}
	Draining             = Problem{Status: 503, Type: "draining", Title: "The server is going down", RetryAfter: 2}
	TooManyBodies        = Problem{Status: 503, Type: "too-many-bodies", Title: "Too much is being published at the moment", RetryAfter: 2}
	TooManyAnswers       = Problem{Status: 503, Type: "too-many-answers", Title: "Too many answers are not read yet", RetryAfter: 5}
	TooManySubscribers   = Problem{Status: 503, Type: "too-many-subscribers", Title: "There are as many subscribers as there may be", RetryAfter: 5}
	SelectionsFull       = Problem{Status: 503, Type: "selections-full", Title: "What subscribers select takes as much memory as it may", RetryAfter: 5}
)

// Of is the one table from error to answer. An error that is not in it comes
// from the store, because nothing else in a handler fails by itself.
func Of(err error) *Problem {
	var p *Problem
	var syntax *wire.SyntaxError
	var many *wire.TooManyError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &syntax):
		return BadJSON.At(syntax)
	case errors.As(err, &many):
		p := TooLarge.Because(many)
		if many.What == "items" {
			p.setting = "max_batch_items"
		}
		return p
	case errors.Is(err, wire.ErrEmpty):
		return EmptyItem.Because(err)
	case errors.Is(err, stream.ErrInvalid):
		return BadRequest.Because(err)
	case errors.Is(err, stream.ErrKeyReused):
		return IdempotencyKeyReused.Because(err)
	case errors.Is(err, stream.ErrTooManyFeeds):
		return TooManyFeeds.Hit("max_feeds").Because(err)
	case errors.Is(err, stream.ErrOutcomeUnknown):
		return OutcomeUnknown.Because(err)
	case errors.Is(err, stream.ErrNoSpace):
		return StoreFull.Hit("disk_reserve").Because(err)
	case errors.Is(err, stream.ErrFull):
		return StoreFull.Hit("max_store_bytes").Because(err)
	case errors.Is(err, stream.ErrClosed):
		return Draining.Because(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Unavailable.Because(err)
	}
	return Unavailable.Because(err)
}
