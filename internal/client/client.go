package client

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Config says which server a Client talks to, and how. Only Server is needed.
type Config struct {
	Server    string            // as ParseServer takes it
	Key       string            // the credential, "" for none
	Transport http.RoundTripper // nil: one of the Client's own
	// Notify is called before each wait for another try, from the goroutine
	// that called Publish or Follow, with what went wrong. It may be nil.
	Notify func(err error, wait time.Duration)
}

// Client talks to one feedd server. It is immutable, and its methods may be
// called from any goroutine.
type Client struct {
	base      string // the server's URL without a slash at the end
	origin    string // of base
	notify    func(err error, wait time.Duration)
	transport http.RoundTripper // adds the key, within the origin
	own       *http.Transport   // nil if the caller brought one
}

// New returns a Client. It does not connect.
func New(cfg Config) (*Client, error) {
	u, err := ParseServer(cfg.Server)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(cfg.Key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the key has a space or another character that no key has")
	}
	c := &Client{base: u.String(), origin: origin(u), notify: cfg.Notify}
	next := cfg.Transport
	if next == nil {
		c.own = newTransport()
		next = c.own
	}
	c.transport = &keyed{next: next, key: cfg.Key, origin: c.origin}
	if c.notify == nil {
		c.notify = func(error, time.Duration) {}
	}
	return c, nil
}

// Close closes the idle connections of the Client's own transport.
func (c *Client) Close() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// feedURL returns the address of a feed or selection.
func (c *Client) feedURL(selector string, query url.Values) string {
	u := c.base + "/feeds/" + url.PathEscape(selector)
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	return u
}

// pingTimeout is how long an HTTP/2 connection may be silent before it is asked
// for a sign of life, and how long it may take to answer: as long as a heartbeat.
const pingTimeout = 15 * time.Second

// newTransport returns a transport of net/http for streams. It does not ask for
// compression, because proxies that compress hold a stream back until their
// buffer is full. And it notices a dead HTTP/2 connection, which a new stream
// would otherwise use.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingTimeout, PingTimeout: pingTimeout}
	return t
}

// ParseServer parses the address of a server: an http or https URL, perhaps
// with a path that feedd is mounted at, or only host and port.
func ParseServer(s string) (*url.URL, error) {
	full := s
	if !strings.Contains(s, "://") {
		full = "http://" + s
	}
	u, err := url.Parse(full)
	switch {
	case err != nil:
		return nil, fmt.Errorf("bad server address %q: %w", s, errors.Unwrap(err))
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("bad server address %q: the scheme must be http or https, not %s", s, u.Scheme)
	case u.Hostname() == "":
		return nil, fmt.Errorf("bad server address %q: there is no host in it", s)
	case u.User != nil:
		return nil, errors.New("bad server address: it must not hold a user or password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("bad server address %q: it must end before any ? or #", s)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	return u, nil
}

// Loopback reports whether the server's name or address can only mean this
// machine.
func Loopback(u *url.URL) bool {
	host := u.Hostname()
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// origin returns the scheme, host and port of u (RFC 6454, section 4).
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return strings.ToLower(u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port))
}
