package api

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"feedd/internal/problem"

	"github.com/go-chi/chi/v5"

	"feedd/internal/auth"
	"feedd/internal/selector"
)

type (
	callerKey  struct{}
	sessionKey struct{}
)

// caller is who asks, and what was in force when that was looked at.
type caller struct {
	principal auth.Principal
	local     bool // the owner of the data, whatever the key is
	changes   int  // of keys and rules, until then
	sessions  string
}

// newCaller must come before the look at what a request brings: what changes in
// between is then seen, at worst without need.
func (s *Server) newCaller() *caller {
	return &caller{changes: s.Auth.Changes(), sessions: s.Sessions.Name()}
}

func callerOf(r *http.Request) *caller {
	if c, ok := r.Context().Value(callerKey{}).(*caller); ok {
		return c
	}
	return &caller{}
}

func (c *caller) in(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
}

// identify finds out who asks, by the Authorization header, else by the cookie
// of a session. A key that is nobody's is refused everywhere, also where none is
// needed: whoever sends one believes in it.
func (s *Server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, known := r.Context().Value(callerKey{}).(*caller); known {
			next.ServeHTTP(w, r)
			return
		}
		c := s.newCaller()
		if header := r.Header.Values("Authorization"); len(header) > 0 {
			scheme, key, _ := strings.Cut(header[0], " ")
			var ok bool
			if len(header) == 1 && strings.EqualFold(scheme, "Bearer") {
				c.principal, ok = s.Auth.Identify(strings.TrimSpace(key))
			}
			if !ok {
				s.problems.Write(w, r, problem.Unauthorized.With("the Authorization header has no valid key: it must be Bearer and the key"))
				return
			}
		} else if token := s.sessionToken(r); token != "" {
			if life, ok := s.Sessions.Holds(token); ok {
				c.principal = s.Auth.Administrator()
				r = r.WithContext(context.WithValue(r.Context(), sessionKey{}, life))
			}
		}
		next.ServeHTTP(w, c.in(r))
	})
}

func principal(r *http.Request) auth.Principal { return callerOf(r).principal }

// sessionOf returns the life of the session that a request came with, nil for
// none.
func sessionOf(r *http.Request) context.Context {
	life, _ := r.Context().Value(sessionKey{}).(context.Context)
	return life
}

// leaseOf returns the life of the session without which the selection could not
// be read, nil where it needs none. A pattern always needs it: what it matches
// for an administrator may be closed to others.
func (s *Server) leaseOf(r *http.Request, sel selector.Selection) context.Context {
	closed := func(feed string) bool { return !s.Auth.MayRead(auth.Principal{}, feed) }
	if names, plain := sel.Names(); plain && !slices.ContainsFunc(names, closed) {
		return nil
	}
	return sessionOf(r)
}

// refuse is the answer to somebody who may not: 401 without a credential, 403
// with one, the same whether the feed exists or not.
func refuse(p auth.Principal, what string) error {
	if p.Anonymous() {
		return problem.Unauthorized.With("%s needs an Authorization header: Bearer and the key", what)
	}
	return problem.Forbidden.With("%s is not allowed with this key", what)
}

func needAdmin(r *http.Request, what string) error {
	if p := principal(r); !p.Admin() {
		return refuse(p, what)
	}
	return nil
}

// selector parses the path's selector.
func (s *Server) selector(r *http.Request) (sel selector.Selection, err error) {
	text, err := pathParam(r, "feed")
	if err != nil {
		return sel, problem.BadSelector.Because(err)
	}
	return s.parseSelector(r, text)
}

func (s *Server) parseSelector(r *http.Request, text string) (selector.Selection, error) {
	if n := strings.Count(text, ",") + 1; n > s.MaxSelectorTerms {
		return stream.Selection{}, problem.BadSelector.Hit("max_selector_terms").With("it has %d terms; max_selector_terms allows %d", n, s.MaxSelectorTerms)
	}
	sel, err := selector.Parse(text, s.MaxSelectorTerms)
	if err != nil {
		return sel, problem.BadSelector.Because(err)
	}
	most := s.MaxAnonymousPatterns
	if n := len(sel.Patterns()); most > 0 && n > most && principal(r).Anonymous() {
		return sel, problem.BadSelector.Hit("max_anonymous_patterns").With("it has %d patterns; max_anonymous_patterns allows %d without a credential", n, most)
	}
	return sel, nil
}

// readable reduces a selection to what the principal may read.
func (s *Server) readable(r *http.Request, sel selector.Selection) (selector.Selection, error) {
	p := principal(r)
	if names, plain := sel.Names(); plain {
		for _, name := range names {
			if !s.Auth.MayRead(p, name) {
				return selector.Selection{}, refuse(p, "reading "+name)
			}
		}
		return sel, nil
	}
	// Plain terms beside patterns are asked for by name as well.
	for _, term := range sel.Terms() {
		if !strings.Contains(term, "*") && !s.Auth.MayRead(p, term) {
			return selector.Selection{}, refuse(p, "reading "+term)
		}
	}
	if p.Admin() {
		return sel, nil
	}
	if !s.Auth.MayReadAny(p, sel) {
		return selector.Selection{}, refuse(p, "reading "+sel.String())
	}
	return sel.Allowing(s.Auth.Scope(p), func(feed string) bool { return s.Auth.MayRead(p, feed) }), nil
}

// feedName returns the path's feed name.
func feedName(r *http.Request) (string, error) {
	name, err := pathParam(r, "feed")
	if err == nil {
		err = selector.CheckFeed(name)
	}
	if err != nil {
		return "", problem.BadFeed.Because(err)
	}
	return strings.Clone(name), nil // it is kept, and not all that stood beside it
}

// pathParam returns a part of the path, percent-decoded once. Where a path has
// escapes that matter, chi matches its raw form and gives raw parts.
func pathParam(r *http.Request, name string) (string, error) {
	v := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return v, nil
	}
	return url.PathUnescape(v)
}

// hostName returns the host of a Host header, lower case, without port and
// brackets.
func hostName(hostport string) string {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// fromLoopback reports whether the request came from this machine: over
// loopback, or over a socket. One that a proxy here passed on came from
// elsewhere.
func fromLoopback(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-IP"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return true // a unix socket has no address
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
