// Package doctor looks at a feed through the proxies before it, as a browser
// would, and says what they do to it and how to mend that.
package doctor

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Config says what to look at.
type Config struct {
	// URL is that of a feed, or another selector: .../feeds/news.
	URL *url.URL
	// Key is sent as a bearer token; "" for none.
	Key string
	// Origin is the origin of a page on another site that is to read the feed, such as
	// https://www.example.com; "" for none.
	Origin string
	// Idle is how long a quiet stream is watched. It should be more than the
	// longest silence that the server allows (its heartbeat).
	Idle time.Duration
	// Prompt is how long an answer that should come at once may take. 0: 5 s, far
	// more than any network takes.
	Prompt time.Duration
	// Transport makes the connections; nil: one as browsers make them. It must
	// not ask for compression by itself.
	Transport http.RoundTripper
}

// Status says how serious a finding is.
type Status string

const (
	OK    Status = "ok"    // as it should be
	Note  Status = "note"  // it works, and could be better
	Wrong Status = "wrong" // readers suffer from it
)

// Finding is the outcome of one check.
type Finding struct {
	Check  string
	Status Status
	Says   string
	// Nginx and Caddy are what to set there, "" if that does not help.
	Nginx, Caddy string
	last         bool // nothing else can be looked at
}

// Run makes all checks and reports each as it is done. When there is no stream
// of feedd to look at, the finding that says so is the last one. It returns
// false when anything is wrong.
func Run(ctx context.Context, cfg Config, report func(Finding)) bool {
	d := &doctor{Config: cfg}
	if d.Prompt == 0 {
		d.Prompt = 5 * time.Second
	}
	if d.Transport == nil {
		d.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableCompression: true, ForceAttemptHTTP2: true, DisableKeepAlives: true,
		}
	}
	sound := true
	for _, check := range []func(context.Context) Finding{
		d.answer, d.firstByte, d.compression, d.version, d.position, d.origin, d.webSocket, d.idle,
	} {
		f := check(ctx)
		if ctx.Err() != nil {
			return false
		}
		if f.Check == "" {
			continue // it does not apply
		}
		report(f)
		if f.Status == Wrong {
			sound = false
		}
		if f.last {
			break
		}
	}
	return sound
}

// doctor makes the checks.
type doctor struct {
	Config
	proto string // of the answer
}
