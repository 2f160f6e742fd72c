package subscribe

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"feedd/internal/problem"
)

// Format is what a reader gets.
type Format int

const (
	SSE Format = iota
	NDJSON
	JSON
	HTML
)

// formats are the offers, the preferred first: to a client that takes anything
// feedd is a stream.
var formats = []struct {
	format Format
	name   string // for ?format=, "" where it cannot be asked for
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
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return SSE, nil
	}
	ranges := parseAccept(accept)
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

func parseAccept(accept string) []mediaRange {
	var ranges []mediaRange
	for i, part := range strings.Split(accept, ",") {
		name, attrs, _ := strings.Cut(part, ";")
		typ, subtype, ok := strings.Cut(strings.ToLower(strings.TrimSpace(name)), "/")
		if !ok {
			continue
		}
		m := mediaRange{typ: typ, subtype: subtype, q: 1, order: i}
		for attr := range strings.SplitSeq(attrs, ";") {
			if key, value, _ := strings.Cut(strings.TrimSpace(attr), "="); strings.EqualFold(key, "q") {
				q, err := strconv.ParseFloat(value, 64)
				if err != nil || q < 0 || q > 1 {
					q = 0
				}
				m.q = q
			}
		}
		ranges = append(ranges, m)
	}
	return ranges
}

// quality returns the weight of a type by the most specific range that takes
// it in, and how that ranks among equal weights: named types before wildcards,
// those named first before others.
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
	accept := parseAccept(strings.Join(r.Header.Values("Accept"), ","))
	return len(accept) == 1 && accept[0].typ == "text" && accept[0].subtype == "event-stream"
}
