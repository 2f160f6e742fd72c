package subscribe

import (
	"net/http"
	"net/url"
	"strings"

	"feedd/internal/problem"
	"feedd/internal/qvalue"
)

// Format is what a reader gets.
type Format int

const (
	SSE Format = iota
	NDJSON
	JSON
	HTML
)

// formats are what feedd offers, the preferred one first: a client that takes
// anything gets a stream.
var formats = []struct {
	format Format
	name   string // for ?format=, "" if it cannot be asked for
	types  []string
}{
	{SSE, "sse", []string{"text/event-stream"}},
	{NDJSON, "ndjson", []string{"application/x-ndjson", "application/vnd.feedd+ndjson"}},
	{JSON, "json", []string{"application/json"}},
	{HTML, "", []string{"text/html"}},
}

// mediaRange is one element of an Accept header.
type mediaRange struct {
	typ, subtype string
	q            float64
	order        int
}

// Negotiate chooses the format: by ?format=, for clients that cannot set
// headers, else by Accept (RFC 9110, section 12.5.1).
func Negotiate(r *http.Request, query url.Values) (Format, error) {
	if name := query.Get("format"); name != "" {
		for _, f := range formats {
			if f.name == name {
				return f.format, nil
			}
		}
		return 0, problem.BadQuery.With("format is sse, ndjson or json, not %q", name)
	}
	values := r.Header.Values("Accept")
	if strings.TrimSpace(strings.Join(values, "")) == "" {
		return SSE, nil
	}
	ranges := mediaRanges(values)
	best, found := SSE, false
	var bestQ float64
	var bestRank int
	for _, f := range formats {
		for _, t := range f.types {
			q, rank := quality(ranges, t)
			if q > 0 && (!found || q > bestQ || q == bestQ && rank > bestRank) {
				best, found, bestQ, bestRank = f.format, true, q, rank
			}
		}
	}
	if !found {
		return 0, problem.NotAcceptable.With("there are text/event-stream, application/x-ndjson, application/json and text/html")
	}
	return best, nil
}

// maxRanges is more than an Accept header can have: net/http takes 64 KiB of
// headers here, and a range has three bytes at least.
const maxRanges = 1 << 20

func mediaRanges(values []string) []mediaRange {
	var ranges []mediaRange
	for i, e := range qvalue.Parse(values) {
		if typ, subtype, ok := strings.Cut(e.Name, "/"); ok {
			ranges = append(ranges, mediaRange{typ: typ, subtype: subtype, q: e.Q, order: i})
		}
	}
	return ranges
}

// quality returns the weight of a type by the most specific range that matches
// it, and how that ranks among equal weights: named types come before
// wildcards, and among these the one that is named first.
func quality(ranges []mediaRange, name string) (q float64, rank int) {
	typ, subtype, _ := strings.Cut(name, "/")
	specific := -1
	for _, m := range ranges {
		s := 0
		switch {
		case m.typ == typ && m.subtype == subtype:
			s = 2
		case m.typ == typ && m.subtype == "*":
			s = 1
		case m.typ == "*" && m.subtype == "*":
		default:
			continue
		}
		if s > specific {
			specific, q = s, m.q
			rank = 0
			if s == 2 {
				rank = maxRanges - m.order
			}
		}
	}
	return q, rank
}

// onlySSE reports whether the client takes event streams and nothing else, as
// a browser's EventSource does.
func onlySSE(r *http.Request) bool {
	ranges := mediaRanges(r.Header.Values("Accept"))
	return len(ranges) == 1 && ranges[0].typ == "text" && ranges[0].subtype == "event-stream"
}
