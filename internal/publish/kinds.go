package publish

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"feedd/internal/problem"
	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

// bodyKind is how the body of a publish is read.
type bodyKind struct {
	batch bool
	text  bool // it is no JSON, so what is wrong with it is not the JSON
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

// kindOf returns how a body of this content type is read. Text in another
// character set than UTF-8 would be stored damaged, and so would a compressed
// body: both are refused.
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
		return bodyKind{}, problem.UnsupportedMediaType.With("%q is none of %s", name, strings.Join(Types(), ", "))
	}
	switch charset := strings.ToLower(attrs["charset"]); charset {
	case "", "utf-8", "utf8", "us-ascii":
		return kind, nil
	default:
		return bodyKind{}, problem.UnsupportedMediaType.With("the character set must be UTF-8, not %s", charset)
	}
}

// IsBatch reports whether a request's headers are those of a batch.
func IsBatch(h http.Header) bool {
	kind, err := kindOf(h)
	return err == nil && kind.batch
}

// Types returns the content types that may be published, sorted.
func Types() []string {
	var names []string
	for name := range bodyKinds {
		if name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// complete gives the drafts the event name and ttl of the query.
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
