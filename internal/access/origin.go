package access

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"feedd/internal/problem"
)

// This file protects a server from pages of other sites in a browser. Such a
// page can reach a server on loopback, and one where the browser is signed in.

// nameSet returns host names as hostName gives them.
func nameSet(names []string) map[string]bool {
	set := make(map[string]bool)
	for _, name := range names {
		set[hostName(name)] = true
	}
	return set
}

// CheckHost refuses requests for other hosts.
//
// A request without a host comes from no browser, because browsers always send
// one. The probes answer to any name, because load balancers ask with none, or
// with an address; and the answers tell nothing.
func (g *Gate) CheckHost(next http.Handler) http.Handler {
	if g.hosts == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := hostName(r.Host); host != "" && !g.hosts[host] && !isProbe(r) {
			g.problems.Write(w, r, problem.Misdirected.With("%q is not a name of this server, which listens on loopback only; add it to the setting hosts if it is", host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isProbe reports whether a request asks how the server is.
func isProbe(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && (r.URL.Path == "/healthz" || r.URL.Path == "/readyz")
}

// CheckOrigin refuses requests of pages of other origins that would change
// something.
func (g *Gate) CheckOrigin(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(g.problems.Handle(func(w http.ResponseWriter, r *http.Request) error {
		return otherOrigin(r, r.Header.Get("Origin"))
	}))
	guarded := guard.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.ownPage(r, r.Header.Get("Origin")) {
			next.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// SameOrigin refuses pages of other origins: a browser lets them open a
// WebSocket to anywhere, with the user's cookies.
func (g *Gate) SameOrigin(r *http.Request) error {
	if r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return nil
	}
	for _, origin := range r.Header.Values("Origin") { // none: not a browser
		u, err := url.Parse(origin)
		if (err != nil || !strings.EqualFold(u.Host, r.Host)) && !g.ownPage(r, origin) {
			return otherOrigin(r, origin)
		}
	}
	return nil
}

// ownPage reports whether an origin has a name that the operator has told, with
// any port: a proxy may pass another Host on, and a browser says only to https
// and to loopback how the two are related.
//
// If the browser says it, a page that came over plain HTTP does not count as
// the operator's own, because anyone on its way could have written it.
func (g *Gate) ownPage(r *http.Request, origin string) bool {
	if origin == "" || len(g.names) == 0 {
		return false
	}
	u, err := url.Parse(origin)
	if err != nil || !g.names[hostName(u.Host)] {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && r.Header.Get("Sec-Fetch-Site") == ""
}

// otherOrigin says from which origin a request comes, and what to set if that
// is wrong.
func otherOrigin(r *http.Request, origin string) *problem.Problem {
	if origin == "" {
		return problem.CrossOrigin.With("the request comes from a page of another site")
	}
	return problem.CrossOrigin.With("the request comes from a page of %q, and was sent to %q; if the page is of this server, behind a proxy, add its name to the setting hosts", origin, r.Host)
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
