// Package access finds out who asks, and says what they may do: by their key, by
// the session of a browser, and by the page that a browser asks for. A refusal is
// a problem.
package access

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"feedd/internal/auth"
	"feedd/internal/problem"
	"feedd/internal/selector"
)

type callerKey struct{}

// caller is who asks, and what was in force when that was found out.
type caller struct {
	principal auth.Principal
	// local says that the request came by the socket that only the owner of the
	// data can reach, whatever the key is.
	local bool
	// changes is how often keys and rules had changed by then.
	changes int
	// sessions is the name of the sessions then, which changes with the key.
	sessions string
	// session is the life of the session that made the principal, nil for none.
	session context.Context
	// grant is one more feed to which the caller may publish, "" for none.
	grant string
}

// Options is what a Gate needs.
type Options struct {
	Auth     *auth.Authority
	Sessions *auth.Sessions // of the browsers that are signed in
	Problems *problem.Reporter

	// Hosts are the names, without a port, that requests must be addressed to;
	// nil: any. A server on loopback sets it, or any page could reach it
	// through a name of its own that resolves to 127.0.0.1 (DNS rebinding).
	Hosts []string
	// Names are what the operator calls this server, without a port: pages of
	// these names are its own, even if a proxy before it passes another Host on.
	// They are no reason to refuse a request.
	Names []string

	// MaxSelectorTerms is how many names and patterns a selector may have, at
	// least 1, and MaxAnonymousPatterns how many patterns without a credential; 0:
	// no other bound.
	MaxSelectorTerms     int
	MaxAnonymousPatterns int
}

// Gate decides who gets in.
type Gate struct {
	auth     *auth.Authority
	sessions *auth.Sessions
	problems *problem.Reporter
	hosts    map[string]bool // nil: any
	names    map[string]bool

	maxTerms, maxAnonymousPatterns int
}

// NewGate returns a gate.
func NewGate(o Options) *Gate {
	g := &Gate{
		auth: o.Auth, sessions: o.Sessions, problems: o.Problems, names: nameSet(o.Names),
		maxTerms: o.MaxSelectorTerms, maxAnonymousPatterns: o.MaxAnonymousPatterns,
	}
	if o.Hosts != nil {
		g.hosts = nameSet(o.Hosts)
	}
	return g
}

// newCaller must be called before the request's credential is checked. So a
// change between the two is noticed, at worst without need.
func (g *Gate) newCaller() *caller {
	return &caller{changes: g.auth.Changes(), sessions: g.sessions.Name()}
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

// Identify finds out who asks, by the Authorization header, else by the cookie
// of a session. A key that is not valid is refused everywhere, also where no
// key is needed, because a client that sends one relies on it.
func (g *Gate) Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, known := r.Context().Value(callerKey{}).(*caller); known {
			next.ServeHTTP(w, r)
			return
		}
		c := g.newCaller()
		if header := r.Header.Values("Authorization"); len(header) > 0 {
			scheme, key, _ := strings.Cut(header[0], " ")
			var ok bool
			if len(header) == 1 && strings.EqualFold(scheme, "Bearer") {
				c.principal, ok = g.auth.Identify(strings.TrimSpace(key))
			}
			if !ok {
				g.problems.Write(w, r, problem.Unauthorized.With("the Authorization header has no valid key: it must be Bearer and the key"))
				return
			}
		} else if token := g.SessionToken(r); token != "" {
			if life, ok := g.sessions.Holds(token); ok {
				c.principal, c.session = g.auth.Administrator(), life
			}
		}
		next.ServeHTTP(w, c.in(r))
	})
}

// IdentifyOwner treats every request as the administrator's. It is for a socket
// that only the owner of the data can reach.
func (g *Gate) IdentifyOwner(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := g.newCaller()
		c.principal, c.local = g.auth.Administrator(), true
		next.ServeHTTP(w, c.in(r))
	})
}

// SessionToken returns the token in the cookie of a session, "" if there is none.
func (g *Gate) SessionToken(r *http.Request) string {
	c, err := r.Cookie(g.sessions.Name())
	if err != nil {
		return ""
	}
	return c.Value
}

// Principal returns who asks.
func Principal(r *http.Request) auth.Principal { return callerOf(r).principal }

// SessionsName returns the name that the sessions had when the request was
// identified.
func SessionsName(r *http.Request) string { return callerOf(r).sessions }

// Session returns the life of the session that a request came with, nil for none.
func Session(r *http.Request) context.Context { return callerOf(r).session }

// Lease returns the life of the session without which the selection could not
// be read, nil if it needs none. A pattern always needs it: what it matches for
// an administrator may be closed to others.
func (g *Gate) Lease(r *http.Request, sel selector.Selection) context.Context {
	closed := func(feed string) bool { return !g.auth.MayRead(auth.Principal{}, feed) }
	if names, plain := sel.Names(); plain && !slices.ContainsFunc(names, closed) {
		return nil
	}
	return Session(r)
}

// Changed reports whether a key or a rule has changed after the request was
// identified.
func (g *Gate) Changed(r *http.Request) bool {
	c := callerOf(r)
	return !c.local && c.changes != g.auth.Changes()
}

// Closed reports whether not everybody may read all of a selector.
func (g *Gate) Closed(selector string) bool {
	for name := range strings.SplitSeq(selector, ",") {
		// What a pattern matches may be closed.
		if strings.Contains(name, "*") || !g.auth.MayRead(auth.Principal{}, name) {
			return true
		}
	}
	return false
}

// Grant returns the request with the right to publish to one feed more.
func Grant(r *http.Request, feed string) *http.Request {
	c := *callerOf(r)
	c.grant = feed
	return c.in(r)
}

// MayPublish reports whether a rule, or a grant, lets the sender of the request
// publish.
func (g *Gate) MayPublish(r *http.Request, feed string) bool {
	c := callerOf(r)
	return g.auth.MayPublish(c.principal, feed) || c.grant == feed && feed != ""
}

// Refuse is the answer to a caller that may not do what it asks: 401 without a
// credential, 403 with one. It is the same whether the feed exists or not.
func Refuse(r *http.Request, what string) error {
	if Principal(r).Anonymous() {
		return problem.Unauthorized.With("%s needs an Authorization header: Bearer and the key", what)
	}
	return problem.Forbidden.With("%s is not allowed with this key", what)
}

// NeedAdmin returns an error unless the administrator asks.
func NeedAdmin(r *http.Request, what string) error {
	if !Principal(r).Admin() {
		return Refuse(r, what)
	}
	return nil
}

// Address returns the address that a request came from, the zero Addr for a unix
// socket. A host with an IPv6 address has a network of them, so those of one /64
// count as one.
func Address(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := from.Addr().Unmap()
	if addr.Is4() {
		return addr
	}
	network, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return addr
	}
	return network.Addr()
}

// FromLoopback reports whether the request came from this machine: over
// loopback, or over a unix socket. A request that a proxy on this machine
// passed on came from elsewhere.
func FromLoopback(r *http.Request) bool {
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
