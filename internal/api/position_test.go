package api_test

import (
	"strings"
	"testing"

	"feedd/internal/api"
)

// resumeNames are what polyfills call the position in the address.
var resumeNames = []string{"lastEventId", "evs_last_event_id", "lastEventID", "Last-Event-ID", "Last-Event-Id", "last-event-id", "last_event_id"}

// P3: a polyfill that comes back by its own name for the position misses
// nothing, on every transport, and gets nothing twice: what its address said
// first is older.
func TestP3_ResumeByThePolyfillsNames(t *testing.T) {
	everywhere(t, func(t *testing.T, d deployment, tr transport) {
		s := start(t, d)
		from := s.position()
		first := s.put("f", "1")
		s.put("f", "2")
		for _, name := range resumeNames {
			tr.open(s, "f?"+name+"="+from).mustItems("1", "2")
			tr.open(s, "f?since=all&last=1&r=0.5&_=7&evs_preamble=1&"+name+"="+first).mustItems("2")
			tr.open(s, "f?"+name+"="+from+"&"+name+"="+first).mustItems("2")
			tr.open(s, "f?"+name+"="+from, "Last-Event-ID: "+first).mustItems("2")
			tr.open(s, "f?since=all&"+name+"=").mustItems("1", "2")
			if name != "last_event_id" {
				tr.open(s, "f?last_event_id="+from+"&"+name+"="+first).mustItems("2")
				tr.open(s, "f?"+name+"=&last_event_id="+first).mustItems("2")
			}
		}
	})
}

// Who means a position, and calls it otherwise, is told: it would begin with
// what comes next. An EventSource would stop for good.
func TestBadInput_NamesNearAPosition(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, options: api.Options{Legacy: api.Legacy{Feed: "f", Chat: "chat"}}})
	id := s.put("f", "x")
	near := []string{"Since", "SINCE", "sicne", "since_id", "sinceId", "Last", "lastId", "last-id", "last_eventid", "LastEventId", "LAST_EVENT_ID",
		"last-event_id", "eventId", "cursor", "Cursor", "after", "after_id", "from", "start", "offset", "position"}
	others := []string{"_", "r", "t", "id", "evs_preamble", "sincerely", "aftermath", "x-since"}
	const websocket = " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	for _, name := range near {
		query := "?" + name + "=" + id
		for _, accept := range []string{"*/*", "", linesType, jsonType, "text/event-stream, */*"} {
			p := s.do("GET", "/feeds/f"+query, "", "Accept: "+accept).mustProblem(t, 400, "bad-query")
			if !strings.Contains(p.Detail, `"`+name+`"`) || !strings.Contains(p.Detail, "last_event_id") || !strings.Contains(p.Detail, "since") {
				t.Errorf("%s: %q does not say what to write", name, p.Detail)
			}
		}
		s.get("/feeds/f"+query+"&since=all").mustProblem(t, 400, "bad-query")
		s.get("/feeds/f"+query+"&wait=1ms").mustProblem(t, 400, "bad-query")
		s.do("HEAD", "/feeds/f"+query, "", "Accept: "+linesType).mustStatus(t, 400)
		s.mustRaw("GET /feeds/f"+query+websocket, " 400 ")
		s.mustRaw("GET /chat"+query+websocket, " 400 ")
		s.get("/real_time_feed"+query).mustProblem(t, 400, "bad-query")
		s.do("HEAD", "/feeds/f"+query, "", "Accept: text/event-stream").mustStatus(t, 200)
		s.get("/feeds/f?"+name+"=").mustStatus(t, 200)
	}
	for _, name := range others {
		s.get("/feeds/f?"+name+"=1").mustStatus(t, 200)
		s.mustRaw("GET /feeds/f?"+name+"=1"+websocket, " 101 ")
	}
	// The forerunner knows since only.
	for _, name := range append(resumeNames, "last") {
		if p := s.get("/real_time_feed?"+name+"=1").mustProblem(t, 400, "bad-query"); !strings.HasSuffix(p.Detail, "said by since") {
			t.Errorf("%s: %q", name, p.Detail)
		}
	}
	s.get("/real_time_feed?_=7&since=1").mustStatus(t, 200)
}
