package api

import (
	"net/http"
	"net/url"

	"feedd/internal/problem"

	"feedd/internal/clip"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

// maxLast is how many of the newest items a stream begins with at most.
const maxLast = 10_000

// read answers GET /feeds/{selector}, in the format that the client wants.
func (s *Server) read(w http.ResponseWriter, r *http.Request) error {
	w.Header().Add("Vary", "Accept")
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.BadQuery.Because(err)
	}
	socket := wantsWebSocket(r)
	f, err := negotiate(r, query)
	if err != nil && !socket {
		return err
	}
	sel, err := s.gate.Selector(r)
	if err != nil {
		return err
	}
	if f == formatHTML && !socket { // open to all; what it may read the page finds out
		return s.pages["/"].serve(w, r)
	}
	if sel, err = s.gate.Readable(r, sel); err != nil {
		return err
	}
	hub, err := s.hubOf(sel)
	if err != nil {
		return err
	}
	events, err := s.eventsOf(query)
	if err != nil {
		return err
	}
	sel = sel.Only(events)
	if socket {
		return s.serveWebSocket(w, r, query, hub, sel)
	}
	if f == formatJSON {
		return s.readPage(w, r, query, hub, sel)
	}
	return s.readStream(w, r, query, hub, sel, f)
}

// readStream answers with a live stream.
func (s *Server) readStream(w http.ResponseWriter, r *http.Request, query url.Values, hub *stream.Hub, sel selector.Selection, f format) error {
	enc := ndjson
	if f == formatSSE {
		var err error
		if enc, err = sseOf(query); err != nil {
			return err
		}
	}
	start, _, err := startOf(r, query, maxLast)
	if err != nil {
		return err
	}
	enc.setHeader(w.Header())
	if r.Method == http.MethodHead {
		return nil
	}
	sub := subscription{hub, sel, start, presentedID(r, query), enc, s.gate.Lease(r, sel)}
	g, p := s.admit(r, hub, sel, !s.handsOver(r, sub))
	if p != nil {
		return s.refuseStream(w, r, sub, p)
	}
	if err := s.subscribe(w, r, sub, g); err != nil {
		if r.Context().Err() == nil { // else it went before it could begin
			s.Log.Warn("stream refused", "selector", clip.Text(sel.String()), "err", err)
		}
		return s.refuseStream(w, r, sub, problem.Of(err))
	}
	return nil
}

// hubOf returns the hub of a selection. Feeds of feedd's own have positions of
// their own, so nobody reads them together with others.
func (s *Server) hubOf(sel selector.Selection) (*stream.Hub, error) {
	own := 0
	terms := sel.Terms()
	for _, term := range terms {
		if selector.Internal(term) {
			own++
		}
	}
	switch own {
	case 0:
		return s.Hub, nil
	case len(terms):
		return s.Own, nil
	}
	return nil, problem.BadSelector.With("feeds whose names begin with _ are read apart from others")
}

// sseOf says what the events of an SSE stream look like.
func sseOf(query url.Values) (*encoder, error) {
	if query.Get("envelope") == "all" {
		return sseFrames, nil
	}
	envelope, err := flag(query, "envelope")
	if envelope {
		return sseEnvelope, err
	}
	return sse, err
}
