package client

import (
	"errors"
	"net/http"
)

// keyed adds the key to requests for the server's own origin. It is the only
// place that knows the key: the requests that net/http copies headers from, on
// a redirect, do not have it.
type keyed struct {
	next   http.RoundTripper
	key    string
	origin string
}

func (k *keyed) RoundTrip(req *http.Request) (*http.Response, error) {
	if k.key != "" && k.home(req) {
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", "Bearer "+k.key)
	}
	return k.next.RoundTrip(req)
}

// home reports whether the request, and each one that led to it by a redirect,
// goes to the server's origin: a foreign server does not choose what the key
// is used for.
func (k *keyed) home(req *http.Request) bool {
	for ; req != nil; req = req.Response.Request {
		if origin(req.URL) != k.origin {
			return false
		}
		if req.Response == nil {
			return true
		}
	}
	return false
}

// maxRedirects is how many redirects are followed. More than two or three (to TLS,
// to another host, to a path) are a loop.
const maxRedirects = 5

var errRedirects = errors.New("the server redirects too often")

// checkRedirect is the http.Client.CheckRedirect of every request. A GET follows
// each redirect, without the key outside of the origin. A POST follows only if it
// stays a POST and in the origin.
func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errRedirects
	}
	method := via[0].Method
	if method != http.MethodGet && (req.Method != method || origin(req.URL) != c.origin) {
		return http.ErrUseLastResponse
	}
	return nil
}
