package subscribe

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"feedd/internal/problem"
)

// idParameters are the names under which a query may have the value of the
// header Last-Event-ID; the first that is given counts. Polyfills of
// EventSource, some of which set no header, add their parameter when they come
// back, to an address that may say where to begin. So feedd's own name is the
// last.
var idParameters = []string{
	"lastEventId",       // event-source-polyfill, reconnecting-eventsource
	"evs_last_event_id", // eventsource-polyfill
	// Names that other servers know, to which users of the first polyfill set it.
	"lastEventID", "Last-Event-ID", "Last-Event-Id", "last-event-id",
	"last_event_id",
}

// positionNames are all that a position may be called.
var positionNames = append([]string{"since", "last"}, idParameters...)

// nearPosition are names by which people mean a position, in lower case and
// without - and _. If they were ignored, the reader would begin with what comes
// next, and miss the rest.
var nearPosition = map[string]bool{
	"since": true, "sicne": true, "sinse": true, "snice": true, "sinceid": true,
	"last": true, "lastid": true, "lastevent": true, "lasteventid": true, "eventid": true,
	"cursor": true, "after": true, "afterid": true, "from": true, "fromid": true,
	"start": true, "startid": true, "offset": true, "position": true,
}

// Misspelt refuses a query that gives a position under a name that is none of
// names; by says in words what to write. An EventSource is let through, because
// it would stop for good, and so are all other names: shims add their own.
func Misspelt(r *http.Request, query url.Values, by string, names []string) error {
	if onlySSE(r) {
		return nil
	}
	found := "" // the first by name, because the order of a map differs each time
	for name := range query {
		if slices.Contains(names, name) || valueOf(query, name) == "" {
			continue
		}
		near := nearPosition[strings.ToLower(plainName.Replace(name))] || slices.Contains(idParameters, name)
		if near && (found == "" || name < found) {
			found = name
		}
	}
	if found == "" {
		return nil
	}
	return problem.BadQuery.With("%q says nothing here: where to begin is said by %s", found, by)
}

// plainName is made once, because each long poll is parsed.
var plainName = strings.NewReplacer("-", "", "_", "")

// valueOf returns the last value of a parameter, because what was added to an
// address is newer than what it had.
func valueOf(query url.Values, name string) string {
	if values := query[name]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// lastEventID returns the position that the client presents, "" for none.
func lastEventID(r *http.Request, query url.Values) string {
	id := r.Header.Get("Last-Event-ID")
	for i := 0; id == "" && i < len(idParameters); i++ {
		id = valueOf(query, idParameters[i])
	}
	id = strings.ToValidUTF8(id, "\ufffd")
	return id[:min(len(id), maxPosition)]
}
