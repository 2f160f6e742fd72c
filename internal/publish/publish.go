// Package publish is the way of a body into the log, from a request or from a
// frame of a WebSocket: what kinds of bodies there are, reading one that may be
// slow into memory that is bounded, what may be sent without a credential, the
// commit, and the receipt.
package publish

import (
	"context"
	"errors"
	"net/http"
	"time"

	"feedd/internal/access"
	"feedd/internal/answer"
	"feedd/internal/problem"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

const (
	// commitTimeout is how long a publish waits for its commit: ten times what a
	// commit takes on a busy disk. The commit itself goes on.
	commitTimeout = 30 * time.Second
	// largeBatch is from how many bytes on a batch may be refused as too large
	// for the room that is left, while small ones still fit.
	largeBatch = 64 << 10
)

// Options is what a Publisher needs. All fields are required.
type Options struct {
	Hub     *stream.Hub
	Engine  stream.Engine // the hub's log
	Gate    *access.Gate
	Answers *answer.Answers
	Bodies  *Bodies
	Ready   *Readiness
	Limits  Limits
}

// Publisher takes bodies, and publishes what is in them.
type Publisher struct {
	hub      *stream.Hub
	engine   stream.Engine
	gate     *access.Gate
	answers  *answer.Answers
	bodies   *Bodies
	ready    *Readiness
	limits   Limits
	throttle throttle
	counters counters
}

// New returns a publisher.
func New(o Options) *Publisher {
	return &Publisher{
		hub: o.Hub, engine: o.Engine, gate: o.Gate, answers: o.Answers, bodies: o.Bodies, ready: o.Ready,
		limits: o.Limits, throttle: throttle{limits: o.Limits}, counters: newCounters(),
	}
}

// Form is what a route asks of what is published there.
type Form struct {
	Feed string
	// Event is the name of items for which the request gives none.
	Event string
	// Single says why a batch is refused, "" if it is not.
	Single string
	// Legacy ignores the parameters of the query and an Idempotency-Key: the
	// older servers' pages give them no meaning.
	Legacy bool
	// Check refuses drafts; nil takes all.
	Check func(drafts []stream.Draft) error
}

// Post answers POST /feeds/{feed}.
func (p *Publisher) Post(w http.ResponseWriter, r *http.Request) error {
	feed, err := access.FeedName(r)
	if err != nil {
		return err
	}
	return p.PostTo(w, r, Form{Feed: feed})
}

// PostTo publishes a request's body, and answers with the receipt.
func (p *Publisher) PostTo(w http.ResponseWriter, r *http.Request, f Form) error {
	receipt, kind, err := p.take(w, r, f)
	if err != nil {
		return err
	}
	return p.writeReceipt(w, receipt, kind.batch)
}

// Take publishes a request's body, and leaves the answer to the caller.
func (p *Publisher) Take(w http.ResponseWriter, r *http.Request, f Form) error {
	_, _, err := p.take(w, r, f)
	return err
}

func (p *Publisher) take(w http.ResponseWriter, r *http.Request, f Form) (receipt stream.Receipt, kind bodyKind, err error) {
	begin := time.Now()
	if err := p.MayPublish(r, f.Feed); err != nil { // before the body is read
		return receipt, kind, err
	}
	if err := p.throttle.tooFast(r); err != nil {
		return receipt, kind, err
	}
	var params params
	if !f.Legacy {
		if params, err = publishParams(r); err != nil {
			return receipt, kind, err
		}
	}
	if kind, err = kindOf(r.Header); err != nil {
		return receipt, kind, err
	}
	limit, setting := p.largest(r)
	if kind.batch && f.Single != "" {
		return receipt, kind, problem.UnsupportedMediaType.With("%s", f.Single)
	} else if kind.batch {
		if err := p.mayBatch(r, f.Feed); err != nil {
			return receipt, kind, err
		}
		limit, setting = p.limits.MaxBodyBytes, "max_body_bytes"
	}
	h := p.bodies.Hold(r)
	defer h.Give()
	body, err := h.Read(w, r, limit, setting)
	if err != nil {
		return receipt, kind, err
	}
	drafts, err := h.parse(&kind, body, p.batchItems(r))
	if syntax := new(wire.SyntaxError); kind.text && !f.Legacy && errors.As(err, &syntax) {
		return receipt, kind, problem.BadText.At(syntax)
	} else if err != nil {
		return receipt, kind, err
	}
	if f.Check != nil {
		if err := f.Check(drafts); err != nil {
			return receipt, kind, err
		}
	}
	if params.event == "" {
		params.event = f.Event
	}
	params.complete(drafts)
	if err := p.throttle.tooMuch(r, len(drafts), len(body)); err != nil {
		return receipt, kind, err
	}
	receipt, err = p.commit(r.Context(), r, begin, stream.Batch{Feed: f.Feed, Drafts: drafts, Key: params.key}, &h)
	return receipt, kind, err
}

// commit publishes a batch for the sender of the request, if the sender may.
// The batch keeps its part of the bodies' memory as long as the store holds the
// batch.
func (p *Publisher) commit(ctx context.Context, r *http.Request, begin time.Time, b stream.Batch, h *Hold) (stream.Receipt, error) {
	if err := p.MayPublish(r, b.Feed); err != nil {
		return stream.Receipt{}, err
	}
	if err := p.checkSizes(r, b.Drafts); err != nil {
		return stream.Receipt{}, err
	}
	// The request's context ends when a publisher ends its sending half. Such a
	// publisher still waits for the answer, so the wait goes on.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	receipt, err := p.hub.Publish(ctx, b)
	if u := new(stream.UnfinishedError); err != nil && errors.As(err, &u) {
		h.until(u.Done)
	}
	if errors.Is(err, context.DeadlineExceeded) { // that ended the wait, not the commit
		err = problem.OutcomeUnknown.With("the commit takes longer than %s", commitTimeout)
	}
	if err != nil {
		switch told := problem.Of(err); {
		case told.Type == problem.StoreFull.Type && b.Size() > largeBatch:
			p.ready.doubt() // it may have been refused alone
		case told.Status >= 500 && told.Type != problem.TooManyFeeds.Type:
			p.ready.learn(err) // a disk may have room for a probe and for no item
		}
		return receipt, err
	}
	p.ready.learn(nil)
	p.counters.published(receipt, time.Since(begin))
	return receipt, nil
}

// MayPublish says why the sender of the request must not publish now.
func (p *Publisher) MayPublish(r *http.Request, feed string) error {
	if !p.gate.MayPublish(r, feed) {
		return access.Refuse(r, "publishing to "+feed)
	}
	if p.hub.Stopping() {
		return &problem.Draining
	}
	return nil
}

// writeReceipt answers a publish.
func (p *Publisher) writeReceipt(w http.ResponseWriter, r stream.Receipt, batch bool) error {
	h := w.Header()
	h.Set("Feedd-Durability", p.engine.Durability())
	status := http.StatusCreated
	if r.Replayed {
		h.Set("Idempotent-Replay", "true")
		status = http.StatusOK
	}
	if batch {
		return p.answers.JSON(w, status, struct {
			Feed  string `json:"feed"`
			Count int    `json:"count"`
			First string `json:"first"`
			Last  string `json:"last"`
		}{r.Feed, r.Count, r.First.String(), r.Last.String()})
	}
	h.Set("Location", "/feeds/"+r.Feed+"/items/"+r.First.String())
	return p.answers.JSON(w, status, struct {
		ID   string `json:"id"`
		Feed string `json:"feed"`
		Time string `json:"time"`
	}{r.First.String(), r.Feed, string(wire.AppendTime(nil, r.Time))})
}
