package api

import (
	"net/http"
	"net/url"

	"feedd/internal/access"
	"feedd/internal/answer"
	"feedd/internal/problem"
	"feedd/internal/publish"
	"feedd/internal/selector"
	"feedd/internal/socket"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
)

// chatPage is the path of the chat's page among the embedded files.
const chatPage = "/chat.html"

// chatEvent is the event name of what is posted without one. What the clients
// of the legacy server send has it.
const chatEvent = "broadcast"

// chat is a feed that is spoken over WebSocket.
type chat struct {
	feed      string
	open      bool // anyone may publish
	hub       *stream.Hub
	gate      *access.Gate
	answers   *answer.Answers
	publisher *publish.Publisher
	sockets   *socket.Sockets
	page      asset
}

// get answers GET /chat: with the chat's feed over WebSocket, with its page for
// clients that accept HTML, or, for ?format=json, with what that page must know.
func (c *chat) get(w http.ResponseWriter, r *http.Request) error {
	w.Header().Add("Vary", "Accept")
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.BadQuery.Because(err)
	}
	upgrade, about := socket.Wanted(r), query.Get("format") == "json"
	if !upgrade && !about {
		if f, err := subscribe.Negotiate(r, query); err != nil || f != subscribe.HTML {
			return problem.UpgradeRequired.With("there is a WebSocket here, and its page for whoever accepts text/html")
		}
		return c.page.serve(w, r) // open to all, as the reader's page
	}
	sel, err := selector.Parse(c.feed, 1)
	if err != nil {
		return err
	}
	if sel, err = c.gate.Readable(r, sel); err != nil {
		return err
	}
	r = c.grant(r)
	if !upgrade {
		return c.about(w, r)
	}
	return c.sockets.Serve(w, r, subscribe.Request{Hub: c.hub, Selection: sel, Query: query})
}

// grant lets anyone publish to the chat, if it is open.
func (c *chat) grant(r *http.Request) *http.Request {
	if c.open {
		return access.Grant(r, c.feed)
	}
	return r
}

// about answers with what the page must know of the chat, also of an empty one,
// which the list of feeds does not have. A server that stops says so: the page
// asks when a WebSocket was refused, and would take any other answer for a
// proxy's fault.
func (c *chat) about(w http.ResponseWriter, r *http.Request) error {
	if c.hub.Stopping() {
		return &problem.Draining
	}
	return c.answers.JSON(w, http.StatusOK, struct {
		Feed        string `json:"feed"`
		Subscribers int    `json:"subscribers"`
		MayPublish  bool   `json:"may_publish"`
		// Head is the newest position: what is above it is said later.
		Head string `json:"head"`
	}{c.feed, c.hub.Readers([]string{c.feed})[0], c.gate.MayPublish(r, c.feed), c.hub.Head().String()})
}

// post answers POST /chat. It takes what frames publish, from clients whose
// proxy lets no WebSocket through. It takes one item at a time, so that the
// rate of clients without a credential is a rate of messages.
func (c *chat) post(w http.ResponseWriter, r *http.Request) error {
	r = c.grant(r)
	if err := c.publisher.MayPublish(r, c.feed); err != nil {
		return err
	}
	if publish.IsBatch(r.Header) { // before it counts towards the rate of its sender
		return problem.UnsupportedMediaType.With("one item is sent at a time")
	}
	return c.publisher.PostTo(w, r, publish.Form{Feed: c.feed, Event: chatEvent})
}
