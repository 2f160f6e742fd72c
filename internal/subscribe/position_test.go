package subscribe_test

import (
	"strings"
	"testing"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
)

// resumeNames are what polyfills call the position in the address.
var resumeNames = []string{"lastEventId", "evs_last_event_id", "lastEventID", "Last-Event-ID", "Last-Event-Id", "last-event-id", "last_event_id"}

// P3: a polyfill that comes back by its own name for the position misses
// nothing, on every transport, and gets nothing twice: what its address said
// first is older.
func TestP3_ResumeByThePolyfillsNames(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		s := servertest.Start(t, d)
		from := s.Position()
		first := s.Put("f", "1")
		s.Put("f", "2")
		for _, name := range resumeNames {
			tr.Open(s, "f?"+name+"="+from).MustItems("1", "2")
			tr.Open(s, "f?since=all&last=1&r=0.5&_=7&evs_preamble=1&"+name+"="+first).MustItems("2")
			tr.Open(s, "f?"+name+"="+from+"&"+name+"="+first).MustItems("2")
			tr.Open(s, "f?"+name+"="+from, "Last-Event-ID: "+first).MustItems("2")
			tr.Open(s, "f?since=all&"+name+"=").MustItems("1", "2")
			if name != "last_event_id" {
				tr.Open(s, "f?last_event_id="+from+"&"+name+"="+first).MustItems("2")
				tr.Open(s, "f?"+name+"=&last_event_id="+first).MustItems("2")
			}
		}
	})
}

// Who means a position, and calls it otherwise, is told: it would begin with
// what comes next. An EventSource would stop for good.
func TestBadInput_NamesNearAPosition(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Legacy: api.Legacy{Feed: "f", Chat: "chat"}}})
	id := s.Put("f", "x")
	near := []string{"Since", "SINCE", "sicne", "since_id", "sinceId", "Last", "lastId", "last-id", "last_eventid", "LastEventId", "LAST_EVENT_ID",
		"last-event_id", "eventId", "cursor", "Cursor", "after", "after_id", "from", "start", "offset", "position"}
	others := []string{"_", "r", "t", "id", "evs_preamble", "sincerely", "aftermath", "x-since"}
	const websocket = " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	for _, name := range near {
		query := "?" + name + "=" + id
		for _, accept := range []string{"*/*", "", servertest.LinesType, servertest.JSONType, "text/event-stream, */*"} {
			p := s.Do("GET", "/feeds/f"+query, "", "Accept: "+accept).MustProblem(t, 400, "bad-query")
			if !strings.Contains(p.Detail, `"`+name+`"`) || !strings.Contains(p.Detail, "last_event_id") || !strings.Contains(p.Detail, "since") {
				t.Errorf("%s: %q does not say what to write", name, p.Detail)
			}
		}
		s.Get("/feeds/f"+query+"&since=all").MustProblem(t, 400, "bad-query")
		s.Get("/feeds/f"+query+"&wait=1ms").MustProblem(t, 400, "bad-query")
		s.Do("HEAD", "/feeds/f"+query, "", "Accept: "+servertest.LinesType).MustStatus(t, 400)
		s.MustRaw("GET /feeds/f"+query+websocket, " 400 ")
		s.MustRaw("GET /chat"+query+websocket, " 400 ")
		s.Get("/real_time_feed"+query).MustProblem(t, 400, "bad-query")
		s.Do("HEAD", "/feeds/f"+query, "", "Accept: text/event-stream").MustStatus(t, 200)
		s.Get("/feeds/f?"+name+"=").MustStatus(t, 200)
	}
	for _, name := range others {
		s.Get("/feeds/f?"+name+"=1").MustStatus(t, 200)
		s.MustRaw("GET /feeds/f?"+name+"=1"+websocket, " 101 ")
	}
	// The legacy interface knows since only.
	for _, name := range append(resumeNames, "last") {
		if p := s.Get("/real_time_feed?"+name+"=1").MustProblem(t, 400, "bad-query"); !strings.HasSuffix(p.Detail, "said by since") {
			t.Errorf("%s: %q", name, p.Detail)
		}
	}
	s.Get("/real_time_feed?_=7&since=1").MustStatus(t, 200)
}
