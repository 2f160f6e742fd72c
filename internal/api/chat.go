package api

import (
	"net/http"
	"net/url"

	"feedd/internal/access"
	"feedd/internal/problem"
	"feedd/internal/publish"
	"feedd/internal/selector"
)

// chatPage is where the pages have the chat's.
const chatPage = "/chat.html"

// chatEvent is the name of what is posted without one: what the forerunner's
// clients send has it.
const chatEvent = "broadcast"

// chat answers GET /chat: with the chat's feed over WebSocket, with its page for
// whoever accepts HTML, or, for ?format=json, with what that page must know.
func (s *Server) chat(w http.ResponseWriter, r *http.Request) error {
	w.Header().Add("Vary", "Accept")
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.BadQuery.Because(err)
	}
	socket, about := wantsWebSocket(r), query.Get("format") == "json"
	if !socket && !about {
		if f, err := negotiate(r, query); err != nil || f != formatHTML {
			return problem.UpgradeRequired.With("there is a WebSocket here, and its page for whoever accepts text/html")
		}
		return s.pages[chatPage].serve(w, r) // open to all, as the reader's page
	}
	sel, err := selector.Parse(s.Forerunner.Chat, 1)
	if err != nil {
		return err
	}
	if sel, err = s.gate.Readable(r, sel); err != nil {
		return err
	}
	r = s.grantChat(r)
	if !socket {
		return s.aboutChat(w, r)
	}
	return s.serveWebSocket(w, r, query, s.Hub, sel)
}

// grantChat lets anybody publish to the chat, where it is open.
func (s *Server) grantChat(r *http.Request) *http.Request {
	if s.Forerunner.ChatOpen {
		return access.Grant(r, s.Forerunner.Chat)
	}
	return r
}

// aboutChat tells of the chat: of an empty one, too, which the list of feeds
// does not have. A server that goes down says so: the page asks when a WebSocket
// was refused, and would take another answer for a proxy's fault.
func (s *Server) aboutChat(w http.ResponseWriter, r *http.Request) error {
	if s.draining() {
		return &problem.Draining
	}
	feed := s.Forerunner.Chat
	return s.answers.JSON(w, http.StatusOK, struct {
		Feed        string `json:"feed"`
		Subscribers int    `json:"subscribers"`
		MayPublish  bool   `json:"may_publish"`
		// Head is the newest position: what is above it is said later.
		Head string `json:"head"`
	}{feed, s.Hub.Readers([]string{feed})[0], s.gate.MayPublish(r, feed), s.Hub.Head().String()})
}

// postChat answers POST /chat: what is published by frames, for clients whose
// proxy lets no WebSocket through. One item at a time, so that the rate of those
// without a credential is one of messages.
func (s *Server) postChat(w http.ResponseWriter, r *http.Request) error {
	r = s.grantChat(r)
	if err := s.publisher.MayPublish(r, s.Forerunner.Chat); err != nil {
		return err
	}
	if publish.IsBatch(r.Header) { // before it counts as one of those that come too fast
		return problem.UnsupportedMediaType.With("one item is sent at a time")
	}
	return s.publisher.PostTo(w, r, publish.Form{Feed: s.Forerunner.Chat, Event: chatEvent})
}
