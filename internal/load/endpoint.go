package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// placeholder stands for a feed's name in a URL.
const placeholder = "{feed}"

// endpoint is a parsed URL of streams or publishes.
type endpoint struct {
	raw  string
	host string         // for the Host field
	addr netip.AddrPort // what the name resolved to, once
}

// ErrRemote refuses a target on another machine that Config does not allow.
var ErrRemote = errors.New("it is not on this machine")

// newEndpoint parses and resolves a URL. Unless remote is allowed it must lead
// to this machine.
func newEndpoint(ctx context.Context, raw string, remote bool) (*endpoint, error) {
	u, err := url.Parse(strings.ReplaceAll(raw, placeholder, "x"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("bad URL: %w", err)
	case u.Scheme != "http":
		return nil, fmt.Errorf("%s: only plain http is spoken here; behind TLS, aim at the server itself", raw)
	case u.Hostname() == "":
		return nil, fmt.Errorf("%s: there is no host in it", raw)
	case u.User != nil:
		return nil, errors.New("a URL must not hold a user or password; there are header fields for it")
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	e := &endpoint{raw: raw, host: u.Host}
	if e.addr, err = resolve(ctx, u.Hostname(), port); err != nil {
		return nil, err
	}
	if !remote && !e.addr.Addr().IsLoopback() {
		return nil, fmt.Errorf("%s: %w", u.Host, ErrRemote)
	}
	return e, nil
}

// resolve prefers IPv4: there are more addresses to come from, on loopback.
func resolve(ctx context.Context, host, port string) (netip.AddrPort, error) {
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return netip.AddrPort{}, err
	}
	best := slices.IndexFunc(ips, func(ip netip.Addr) bool { return ip.Unmap().Is4() })
	return netip.AddrPortFrom(ips[max(best, 0)].Unmap(), uint16(number)), nil
}

// requestTarget returns what stands in the request line for that feed.
func (e *endpoint) requestTarget(feed string) (string, error) {
	u, err := url.Parse(strings.ReplaceAll(e.raw, placeholder, url.PathEscape(feed)))
	if err != nil {
		return "", err
	}
	return u.RequestURI(), nil
}

var errHeader = errors.New("bad header field")

// fields returns header fields as they are sent. Those in custom replace those
// in usual.
func fields(usual, custom http.Header) (string, error) {
	all := usual.Clone()
	for name, values := range custom {
		all[http.CanonicalHeaderKey(name)] = values
	}
	var b strings.Builder
	for name, values := range all {
		for _, v := range values {
			if name == "" || strings.ContainsAny(name, " :\r\n") || strings.ContainsAny(v, "\r\n\x00") {
				return "", fmt.Errorf("%w: %q", errHeader, name)
			}
			b.WriteString(name + ": " + v + "\r\n")
		}
	}
	return b.String(), nil
}
