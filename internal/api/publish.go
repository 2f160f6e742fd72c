package api

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"feedd/internal/access"
	"feedd/internal/problem"
	"feedd/internal/selector"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

// commitTimeout is how long a publish waits for its commit.
const commitTimeout = 30 * time.Second

// bodyKind is how the body of a publish is read.
type bodyKind struct {
	batch bool
	text  bool // what is wrong with it is not JSON
	parse func(body []byte, maxItems int) ([]stream.Draft, error)
	cost  func(body []byte, maxItems int) int64 // of parse, in bytes of memory
}

func one(text bool, parse func([]byte) (stream.Draft, error), cost func([]byte) int64) bodyKind {
	return bodyKind{
		text: text,
		parse: func(body []byte, _ int) ([]stream.Draft, error) {
			d, err := parse(body)
			return []stream.Draft{d}, err
		},
		cost: func(body []byte, _ int) int64 { return cost(body) },
	}
}

// bodyKinds are the content types that may be published.
var bodyKinds = map[string]bodyKind{
	"":                                  one(true, wire.ParseText, wire.TextCost),
	"text/plain":                        one(true, wire.ParseText, wire.TextCost),
	"application/json":                  one(false, wire.ParseJSON, wire.TextCost),
	"application/x-www-form-urlencoded": one(true, wire.ParseForm, wire.FormCost),
	"application/x-ndjson":              {batch: true, parse: wire.ParseLines, cost: wire.LinesCost},
	"application/vnd.feedd+ndjson":      {batch: true, parse: wire.ParseEnvelopes, cost: wire.EnvelopesCost},
}

// publish answers POST /feeds/{feed}.
func (s *Server) publish(w http.ResponseWriter, r *http.Request) error {
	begin := time.Now()
	feed, err := access.FeedName(r)
	if err != nil {
		return err
	}
	return s.publishTo(w, r, feed, "", begin)
}

// publishTo publishes a request's body to a feed, under the name event where the
// request gives none.
func (s *Server) publishTo(w http.ResponseWriter, r *http.Request, feed, event string, begin time.Time) error {
	if err := s.mayPublish(r, feed); err != nil { // before the body is read
		return err
	}
	if err := s.tooFast(r); err != nil {
		return err
	}
	params, err := publishParams(r)
	if err != nil {
		return err
	}
	kind, err := kindOf(r.Header)
	if err != nil {
		return err
	}
	limit, setting := s.largest(r)
	if kind.batch {
		if err := s.mayBatch(r, feed); err != nil {
			return err
		}
		limit, setting = s.MaxBodyBytes, "max_body_bytes"
	}
	h := s.hold(r)
	defer h.give()
	body, err := s.readBody(w, r, &h, limit, setting)
	if err != nil {
		return err
	}
	drafts, err := h.parse(&kind, body, s.batchItems(r))
	if syntax := new(wire.SyntaxError); kind.text && errors.As(err, &syntax) {
		return problem.BadText.At(syntax)
	} else if err != nil {
		return err
	}
	if params.event == "" {
		params.event = event
	}
	params.complete(drafts)
	if err := s.tooMuch(r, len(drafts), len(body)); err != nil {
		return err
	}
	receipt, err := s.commit(r.Context(), r, begin, stream.Batch{Feed: feed, Drafts: drafts, Key: params.key}, &h)
	if err != nil {
		return err
	}
	return s.writeReceipt(w, receipt, kind.batch)
}

// largeBatch is from how many bytes on a full store may refuse a batch alone.
const largeBatch = 64 << 10

// commit publishes a batch for whoever sent the request, if that one may. What
// the batch holds of the bodies' memory is its own as long as the store has it.
func (s *Server) commit(ctx context.Context, r *http.Request, begin time.Time, b stream.Batch, h *hold) (stream.Receipt, error) {
	if err := s.mayPublish(r, b.Feed); err != nil {
		return stream.Receipt{}, err
	}
	if err := s.checkSizes(r, b.Drafts); err != nil {
		return stream.Receipt{}, err
	}
	// A publisher that has ended its sending half still waits for the answer,
	// so the end of the request's context must not end the wait.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	receipt, err := s.Hub.Publish(ctx, b)
	if u := new(stream.UnfinishedError); err != nil && errors.As(err, &u) {
		h.until(u.Done)
	}
	if errors.Is(err, context.DeadlineExceeded) { // that ended the wait, not the commit
		err = problem.OutcomeUnknown.With("the commit takes longer than %s", commitTimeout)
	}
	if err != nil {
		switch p := problem.Of(err); {
		case p.Type == problem.StoreFull.Type && b.Size() > largeBatch:
			s.ready.doubt() // it may have been refused alone
		case p.Status >= 500 && p.Type != problem.TooManyFeeds.Type:
			s.ready.learn(err) // a disk may have room for a probe and for no item
		}
		return receipt, err
	}
	s.ready.learn(nil)
	s.metrics.published(receipt, time.Since(begin))
	return receipt, nil
}

// mayPublish says why whoever sent the request must not publish now.
func (s *Server) mayPublish(r *http.Request, feed string) error {
	if !s.gate.MayPublish(r, feed) {
		return access.Refuse(r, "publishing to "+feed)
	}
	if s.draining() {
		return &problem.Draining
	}
	return nil
}

// params is what a publish says beside its body.
type params struct {
	event string
	ttl   time.Duration
	key   string
}

func publishParams(r *http.Request) (p params, err error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return p, problem.BadQuery.Because(err)
	}
	for name, values := range query {
		if name != "event" && name != "ttl" {
			return p, problem.BadQuery.With("%q is no parameter of a publish: there are event and ttl", name)
		}
		if len(values) > 1 {
			return p, problem.BadQuery.With("%s is given %d times", name, len(values))
		}
	}
	if query.Has("event") {
		p.event = strings.Clone(query.Get("event")) // it is kept, and not all that stood beside it
		if err := selector.CheckEvent(p.event); err != nil {
			return p, problem.BadQuery.Because(err)
		}
	}
	if query.Has("ttl") {
		if p.ttl, err = wire.ParseTTL(query.Get("ttl")); err != nil {
			return p, problem.BadQuery.With("ttl: %s", err)
		}
	}
	if keys := r.Header.Values("Idempotency-Key"); len(keys) > 0 {
		p.key = keys[0]
		if len(keys) > 1 {
			return p, problem.BadIdempotencyKey.With("there are %d of them", len(keys))
		}
		if err := stream.CheckKey(p.key); err != nil {
			return p, problem.BadIdempotencyKey.Because(err)
		}
	}
	return p, nil
}

// kindOf chooses by the content type. Text in another character set than UTF-8
// would be stored damaged, and a compressed body as rubbish: both are refused.
func kindOf(h http.Header) (bodyKind, error) {
	for _, enc := range h.Values("Content-Encoding") {
		if enc != "" && !strings.EqualFold(enc, "identity") {
			return bodyKind{}, problem.UnsupportedMediaType.With("content encoding %q is not supported", enc)
		}
	}
	header := h.Get("Content-Type")
	if header == "" {
		return bodyKinds[""], nil
	}
	if kind, ok := bodyKinds[header]; ok {
		return kind, nil
	}
	name, attrs, err := mime.ParseMediaType(header)
	if err != nil {
		return bodyKind{}, problem.UnsupportedMediaType.With("content type %q: %s", header, err)
	}
	kind, ok := bodyKinds[name]
	if !ok {
		return bodyKind{}, problem.UnsupportedMediaType.With("%q is none of %s", name, strings.Join(typeNames(), ", "))
	}
	switch charset := strings.ToLower(attrs["charset"]); charset {
	case "", "utf-8", "utf8", "us-ascii":
		return kind, nil
	default:
		return bodyKind{}, problem.UnsupportedMediaType.With("the character set must be UTF-8, not %s", charset)
	}
}

func typeNames() []string {
	var names []string
	for name := range bodyKinds {
		if name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// complete gives the drafts what the query says.
func (p *params) complete(drafts []stream.Draft) {
	for i := range drafts {
		d := &drafts[i]
		if d.Event == "" {
			d.Event = p.event
		}
		if d.TTL == 0 {
			d.TTL = p.ttl
		}
	}
}

func (s *Server) checkSizes(r *http.Request, drafts []stream.Draft) error {
	most, setting := s.largest(r)
	for i := range drafts {
		if n := int64(len(drafts[i].Data)); n > most {
			return problem.TooLarge.Hit(setting).With("item %d has %d bytes, more than %s allows: %d", i+1, n, setting, most)
		}
	}
	return nil
}

// mayBatch says why whoever sent the request must not publish a batch.
func (s *Server) mayBatch(r *http.Request, feed string) error {
	if p := access.Principal(r); p.Anonymous() && s.MaxAnonymousBatchItems <= 1 {
		p := problem.Unauthorized.Hit("max_anonymous_batch_items")
		return p.With("publishing more than one item at a time to %s needs an Authorization header: Bearer and the key", feed)
	}
	return nil
}

// batchItems returns how many items whoever sent the request may publish at a
// time.
func (s *Server) batchItems(r *http.Request) int {
	if access.Principal(r).Anonymous() {
		return min(s.MaxAnonymousBatchItems, s.MaxBatchItems)
	}
	return s.MaxBatchItems
}

// writeReceipt answers a publish.
func (s *Server) writeReceipt(w http.ResponseWriter, r stream.Receipt, batch bool) error {
	h := w.Header()
	h.Set("Feedd-Durability", s.Engine.Durability())
	status := http.StatusCreated
	if r.Replayed {
		h.Set("Idempotent-Replay", "true")
		status = http.StatusOK
	}
	if batch {
		return s.answers.JSON(w, status, struct {
			Feed  string `json:"feed"`
			Count int    `json:"count"`
			First string `json:"first"`
			Last  string `json:"last"`
		}{r.Feed, r.Count, r.First.String(), r.Last.String()})
	}
	h.Set("Location", "/feeds/"+r.Feed+"/items/"+r.First.String())
	return s.answers.JSON(w, status, struct {
		ID   string `json:"id"`
		Feed string `json:"feed"`
		Time string `json:"time"`
	}{r.First.String(), r.Feed, string(wire.AppendTime(nil, r.Time))})
}
