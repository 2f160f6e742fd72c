package api

import (
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"feedd/internal/access"
	"feedd/internal/answer"
	"feedd/internal/auth"
	"feedd/internal/problem"
	"feedd/internal/publish"
)

// A browser signs in with the key or with a ticket and gets a cookie, which
// scripts cannot read and other sites cannot send. A cookie of no session
// counts as none: it may be an old one, and a page cannot remove it.

// sessionBytes is how large the body of a sign-in may be: a key or a ticket, and
// ten times as much as one has.
const sessionBytes = 4 << 10

// sessions let browsers sign in.
type sessions struct {
	auth     *auth.Authority
	sessions *auth.Sessions
	gate     *access.Gate
	answers  *answer.Answers
	bodies   *publish.Bodies
	url      string // where browsers reach the server
	logger   *slog.Logger
}

// sessionState is who the caller is.
type sessionState struct {
	Admin bool `json:"admin"`
	// Expires is the end of the cookie's session; absent without one.
	Expires *time.Time `json:"expires,omitempty"`
}

// signIn answers POST /session: {"key":"..."} or {"ticket":"..."}.
func (s *sessions) signIn(w http.ResponseWriter, r *http.Request) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return problem.UnsupportedMediaType.With("a sign-in is application/json")
	}
	h := s.bodies.Hold(r)
	defer h.Give()
	body, err := h.Read(w, r, sessionBytes, "")
	if err != nil {
		return err
	}
	var with struct{ Key, Ticket string }
	if err := json.Unmarshal(body, &with); err != nil {
		return problem.BadJSON.Because(err)
	}
	switch {
	case (with.Key == "") == (with.Ticket == ""):
		return problem.BadRequest.With("a sign-in has a key or a ticket")
	case with.Key != "":
		if p, ok := s.auth.Identify(with.Key); !ok || !p.Admin() {
			return problem.Unauthorized.With("this is not the key")
		}
	case !s.sessions.Redeem(with.Ticket):
		return problem.Unauthorized.With("the ticket was used, or is older than ten minutes")
	}
	token, end, err := s.sessions.Begin(access.SessionsName(r))
	if errors.Is(err, auth.ErrKeyChanged) {
		return problem.Unauthorized.Because(err)
	}
	if err != nil {
		s.logger.Warn("a session is not stored, and ends with the process", "err", err)
	}
	http.SetCookie(w, s.cookie(r, token, end))
	if err := s.answers.JSON(w, http.StatusCreated, sessionState{Admin: true, Expires: &end}); err != nil {
		return err
	}
	// The session that the browser had cannot be signed out of any more, so it
	// ends. The browser gets the new cookie before that, because the readers that
	// the old session allowed are cut and come back at once.
	http.NewResponseController(w).Flush()
	s.endSession(r)
	return nil
}

// endSession ends the session that a request came with, if there is one.
func (s *sessions) endSession(r *http.Request) {
	if err := s.sessions.End(s.gate.SessionToken(r)); err != nil {
		s.logger.Warn("the end of a session is not stored: a restart may bring it back", "err", err)
	}
}

// getSession answers GET /session.
func (s *sessions) getSession(w http.ResponseWriter, r *http.Request) error {
	state := sessionState{Admin: access.Principal(r).Admin()}
	if life, ok := s.sessions.Holds(s.gate.SessionToken(r)); ok {
		end, _ := life.Deadline()
		state.Expires = &end
	}
	return s.answers.JSON(w, http.StatusOK, state)
}

// signOut answers DELETE /session. The streams that the session alone allowed
// end with it.
func (s *sessions) signOut(w http.ResponseWriter, r *http.Request) error {
	s.endSession(r)
	http.SetCookie(w, s.cookie(r, "", time.Unix(1, 0)))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// newTicket answers POST /tickets.
func (s *sessions) newTicket(w http.ResponseWriter, r *http.Request) error {
	if err := access.NeedAdmin(r, "a ticket"); err != nil {
		return err
	}
	ticket, end, err := s.sessions.Ticket(access.SessionsName(r))
	if err != nil {
		return problem.Unauthorized.Because(err)
	}
	return s.answers.JSON(w, http.StatusCreated, struct {
		Ticket  string    `json:"ticket"`
		Expires time.Time `json:"expires"`
		Link    string    `json:"link"`
	}{ticket, end, s.url + "/admin#ticket=" + ticket})
}

func (s *sessions) cookie(r *http.Request, token string, end time.Time) *http.Cookie {
	return &http.Cookie{
		// Browsers use the age, so a wrong clock does no harm.
		Name: s.sessions.Name(), Value: token, Path: "/", Expires: end, MaxAge: int(time.Until(end).Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode,
		// Behind a proxy this request came over plain HTTP. Some proxies do not say
		// what the browser used, but the page does.
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" || strings.HasPrefix(r.Header.Get("Origin"), "https://"),
	}
}
