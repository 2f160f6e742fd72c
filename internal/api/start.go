package api

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

// maxPosition is how much of a presented position is looked at. feedd's own
// have at most 16 characters.
const maxPosition = 256

// startOf says where the reader begins, the first that is given: the header
// Last-Event-ID, one of the query's idParameters, since, last. It reports
// whether any was. A Last-Event-ID is never an error, or an EventSource would stop for
// good.
func startOf(r *http.Request, query url.Values, maxLast int) (start stream.Start, given bool, err error) {
	if err := misspelt(r, query, "last_event_id, since or last", positionNames); err != nil {
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

// presentedID returns the id that the client presents, 0 for none and for what
// is no id as feedd prints it. It is told back to the client as it is, whether
// this store can have given it or not: who is cut off before the gap comes back
// with it, and is told of the gap again.
func presentedID(r *http.Request, query url.Values) stream.ID {
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

// eventsOf returns the event names to pass; none: all.
func (s *Server) eventsOf(query url.Values) ([]string, error) {
	var names []string
	n := 0
	for _, v := range query["event"] {
		n += strings.Count(v, ",") + 1
	}
	if most := s.MaxEventNames; most > 0 && n > most {
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

// duration reads a parameter that is a duration of at most most.
func duration(query url.Values, name string, most time.Duration) (time.Duration, error) {
	v := query.Get(name)
	if v == "" {
		return 0, nil
	}
	d, err := wire.ParseDuration(v)
	if err != nil || d < 0 || d > most {
		return 0, problem.BadQuery.With("%s is a duration of at most %s, not %q", name, most, v)
	}
	return time.Duration(d), nil
}

// number reads a parameter that is a whole number.
func number(query url.Values, name string, least, most, otherwise int) (int, error) {
	v := query.Get(name)
	if v == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		return 0, problem.BadQuery.With("%s is a number from %d to %d, not %q", name, least, most, v)
	}
	return n, nil
}

// flag reads a parameter that is true or false.
func flag(query url.Values, name string) (bool, error) {
	switch v := query.Get(name); v {
	case "":
		return false, nil
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	default:
		return false, problem.BadQuery.With("%s is true or false, not %q", name, v)
	}
}
