package api

import (
	"net/http"
	"net/url"

	"feedd/internal/access"
	"feedd/internal/problem"
	"feedd/internal/selector"
	"feedd/internal/socket"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
)

// reading answers requests that read feeds, in the format that they want.
type reading struct {
	hub     *stream.Hub
	own     *stream.Hub // of feedd's own feeds
	gate    *access.Gate
	readers *subscribe.Readers
	sockets *socket.Sockets
	page    asset // for browsers
}

// read answers GET /feeds/{selector}.
func (rd *reading) read(w http.ResponseWriter, r *http.Request) error {
	w.Header().Add("Vary", "Accept")
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.BadQuery.Because(err)
	}
	upgrade := socket.Wanted(r)
	format, err := subscribe.Negotiate(r, query)
	if err != nil && !upgrade {
		return err
	}
	sel, err := rd.gate.Selector(r)
	if err != nil {
		return err
	}
	if format == subscribe.HTML && !upgrade { // the page is open to all; it finds out itself what it may read
		return rd.page.serve(w, r)
	}
	if sel, err = rd.gate.Readable(r, sel); err != nil {
		return err
	}
	hub, err := rd.hubOf(sel)
	if err != nil {
		return err
	}
	events, err := rd.readers.Events(query)
	if err != nil {
		return err
	}
	q := subscribe.Request{Hub: hub, Selection: sel.Only(events), Query: query}
	switch {
	case upgrade:
		return rd.sockets.Serve(w, r, q)
	case format == subscribe.JSON:
		return rd.readers.Page(w, r, q)
	}
	return rd.readers.Stream(w, r, q, format)
}

// hubOf returns the hub of a selection. feedd's own feeds have positions of
// their own, so they are not read together with others.
func (rd *reading) hubOf(sel selector.Selection) (*stream.Hub, error) {
	own := 0
	terms := sel.Terms()
	for _, term := range terms {
		if selector.Internal(term) {
			own++
		}
	}
	switch own {
	case 0:
		return rd.hub, nil
	case len(terms):
		return rd.own, nil
	}
	return nil, problem.BadSelector.With("feeds whose names begin with _ are read apart from others")
}
