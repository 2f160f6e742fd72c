package subscribe

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"feedd/internal/problem"
	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/units"
)

// MaxLast is how many of the newest items a stream begins with at most. They
// are read from the log before the stream is live, which takes a tenth of a
// second for 10,000.
const MaxLast = 10_000

// maxPosition is how much of a presented position is looked at. feedd's own
// have at most 16 characters.
const maxPosition = 256

// StartOf says where the reader begins, the first that is given: the header
// Last-Event-ID, one of the query's idParameters, since, last. It reports
// whether any was. A Last-Event-ID is never an error, or an EventSource would stop for
// good.
func StartOf(r *http.Request, query url.Values, maxLast int) (start stream.Start, given bool, err error) {
	if err := Misspelt(r, query, "last_event_id, since or last", positionNames); err != nil {
		return start, false, err
	}
	if id := lastEventID(r, query); id != "" {
		return stream.StartAfter(id), true, nil
	}
	if since := query.Get("since"); since != "" {
		start, err := parseSince(since, time.Now())
		return start, true, err
	}
	if last := query.Get("last"); last != "" {
		n, err := strconv.Atoi(last)
		if err != nil || n < 0 || n > maxLast {
			return start, false, problem.BadQuery.With("last is a number from 0 to %d, not %q", maxLast, last)
		}
		return stream.StartLast(n), true, nil
	}
	return stream.Start{}, false, nil
}

// PresentedID returns the id that the client presents, 0 for none and for what
// is no id as feedd prints it. It is told back to the client as it is, whether
// this store can have given it or not: a client that is cut off before the gap comes back
// with it, and is told of the gap again.
func PresentedID(r *http.Request, query url.Values) stream.ID {
	text := lastEventID(r, query)
	if text == "" {
		text = query.Get("since")
	}
	if id, ok := stream.ParseID(text); ok && id.String() == text {
		return id
	}
	return 0
}

func parseSince(s string, now time.Time) (stream.Start, error) {
	switch {
	case s == "now":
		return stream.Start{}, nil
	case s == "all":
		return stream.StartAll(), nil
	case strings.Trim(s, "0123456789") == "":
		return stream.StartAfter(s), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return stream.StartSince(t), nil
	}
	// A + in a query is a space: an offset that was not escaped.
	if t, err := time.Parse(time.RFC3339, strings.Replace(s, " ", "+", 1)); err == nil {
		return stream.StartSince(t), nil
	}
	if d, err := units.ParseDuration(s); err == nil {
		return stream.StartSince(now.Add(-time.Duration(d))), nil
	}
	return stream.Start{}, problem.BadQuery.With("since is an id, a time such as 2026-11-22T06:13:20Z, a duration such as 10m, all or now, not %q", s)
}

// Events returns the event names to pass; none: all.
func (rs *Readers) Events(query url.Values) ([]string, error) {
	var names []string
	n := 0
	for _, v := range query["event"] {
		n += strings.Count(v, ",") + 1
	}
	if most := rs.maxEventNames; most > 0 && n > most {
		return nil, problem.BadQuery.Hit("max_event_names").With("event names %d events; max_event_names allows %d", n, most)
	}
	for _, v := range query["event"] {
		for name := range strings.SplitSeq(v, ",") {
			if name != "message" {
				if err := selector.CheckEvent(name); err != nil {
					return nil, problem.BadQuery.Because(err)
				}
			}
			names = append(names, name)
		}
	}
	return names, nil
}
