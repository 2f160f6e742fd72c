package publish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"feedd/internal/problem"
	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

// Frame publishes what a WebSocket frame of a client says, whose selector is sel,
// and returns its id. The frame is returned also with an error, for its ref.
func (p *Publisher) Frame(ctx context.Context, r *http.Request, sel selector.Selection, b []byte, h *Hold) (f wire.ClientFrame, id stream.ID, err error) {
	begin := time.Now()
	fixed := publishCost + int64(cap(b))
	if full := h.whole(fixed + wire.EnvelopesCost(b, 1)); full != nil {
		return f, 0, full
	}
	if f, err = wire.ParseClientFrame(b); err != nil {
		if syntax := new(wire.SyntaxError); errors.As(err, &syntax) {
			return f, 0, problem.BadFrame.At(syntax)
		}
		return f, 0, problem.BadFrame.Because(err)
	}
	if f.Feed == "" {
		names, plain := sel.Names()
		if !plain || len(names) != 1 {
			return f, 0, problem.BadFrame.With("the frame names no feed, and the selector %s is not one feed", sel)
		}
		f.Feed = names[0]
	}
	if err := p.throttle.tooFast(r); err != nil {
		return f, 0, err
	}
	if err := p.throttle.tooMuch(r, 1, len(b)); err != nil {
		return f, 0, err
	}
	drafts := []stream.Draft{f.Draft}
	h.shrink(fixed + wire.DraftsCost(drafts))
	receipt, err := p.commit(ctx, r, begin, stream.Batch{Feed: f.Feed, Drafts: drafts, Key: f.Key}, h)
	if err != nil {
		return f, 0, fmt.Errorf("publish by a frame: %w", err)
	}
	return f, receipt.First, nil
}
