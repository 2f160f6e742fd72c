package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"strings"

	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/units"
)

// Upstream is the event stream of another server, which is taken over into a
// feed of this one.
type Upstream struct {
	// URL is the stream's, http or https, without user and password. It is
	// requested as it is. It also says, in the server's own words, where to start
	// when nothing was taken over yet.
	URL string `yaml:"url"`
	// Feed is where the items go.
	Feed string `yaml:"feed"`
	// Name is what the last id that was taken over is stored under, and the
	// label of the metrics. Left out: it is the URL.
	Name string `yaml:"name"`
	// TokenEnv is the variable of the environment that holds the bearer token
	// for the server, so that no file with settings holds a secret. Left out:
	// there is none.
	TokenEnv string `yaml:"token_env"`
	// IdleTimeout is after how long without a byte the connection is given up
	// and made anew, 1s to 24h. Left out: 1m.
	IdleTimeout units.Duration `yaml:"idle_timeout" least:"1s" most:"1d"`
	// Token is what TokenEnv holds.
	Token Secret `yaml:"-"`
}

// finishUpstreams gives the upstreams without a name their URL as one.
func (l *loader) finishUpstreams() {
	for i := range l.cfg.Upstreams {
		u := &l.cfg.Upstreams[i]
		u.Name = cmp.Or(u.Name, u.URL)
	}
}

// tokenVars returns the variables that hold tokens. These are no settings,
// whatever their names are.
func (l *loader) tokenVars() []string {
	var names []string
	for _, u := range l.cfg.Upstreams {
		if u.TokenEnv != "" {
			names = append(names, u.TokenEnv)
		}
	}
	return names
}

// takeTokens takes the tokens of upstreams from the environment.
func (l *loader) takeTokens(environ []string) {
	values := make(map[string]string)
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		values[name] = value
	}
	for i := range l.cfg.Upstreams {
		u := &l.cfg.Upstreams[i]
		path := fmt.Sprintf("upstreams[%d].token_env", i)
		switch u.Token = Secret(values[u.TokenEnv]); {
		case u.TokenEnv == "":
		case u.Token == "":
			l.add(l.origin(path), "the variable %s is not set", plain(u.TokenEnv))
		default:
			if err := checkKey(u.Token); err != nil {
				l.add(l.origin(path), "the variable %s: %w", plain(u.TokenEnv), err)
			}
		}
	}
}

// checkUpstreams checks each of them, and that no two have one name.
func (l *loader) checkUpstreams() {
	first := make(map[string]int)
	for i, u := range l.cfg.Upstreams {
		path := fmt.Sprintf("upstreams[%d]", i)
		if l.bad[path] {
			continue // it is no group
		}
		if at := path + ".url"; !l.bad[at] {
			to, err := checkUpstreamURL(u.URL)
			if err == nil && l.cfg.isOwn(to, u.Feed) {
				err = fmt.Errorf("%q is the feed %s of this server itself", u.URL, u.Feed)
			}
			l.checkWith(at, err)
		}
		l.checkWith(path+".feed", checkOwnFeed(u.Feed))
		l.checkBounds(reflect.ValueOf(u), path)
		if u.Name == "" {
			continue // it has no url either
		}
		at := path + ".name"
		if _, said := l.origins[at]; !said {
			at = path
		}
		if before, twice := first[u.Name]; twice {
			l.add(l.origin(at), "has the name of upstreams[%d], %q; the name is its url where none is said", before, u.Name)
			continue
		}
		first[u.Name] = i
		if len(u.Name) > stream.MaxSourceName {
			l.add(l.origin(at), "the name has %d bytes, more than %d; it is the url where none is said", len(u.Name), stream.MaxSourceName)
		} else if strings.ContainsFunc(u.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			l.add(l.origin(at), "the name %q has a control character", u.Name)
		}
	}
}

// checkUpstreamURL reports why s is no URL of a stream. It never shows a user or
// password.
func checkUpstreamURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("it is no URL") // the error could show a password
	case u.User != nil:
		return nil, errors.New("the URL must not hold a user or password; token_env names the variable of a token")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%q is no http or https URL", s)
	case u.Hostname() == "":
		return nil, fmt.Errorf("there is no host in %q", s)
	case u.Fragment != "":
		return nil, fmt.Errorf("%q must end before the #", s)
	}
	return u, nil
}

// isOwn reports whether the URL is surely of this server, and of a selection
// with the feed: its items would come back to it for ever.
func (c *Config) isOwn(u *url.URL, feed string) bool {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || port != cmp.Or(u.Port(), "80") || u.Scheme != "http" {
		return false
	}
	name := strings.ToLower(u.Hostname())
	if name != strings.ToLower(host) && !(isLocal(name) && (isLocal(host) || isAny(host))) {
		return false
	}
	text, ok := strings.CutPrefix(u.Path, "/feeds/")
	if !ok {
		return false
	}
	sel, err := selector.Parse(text, maxRuleTerms)
	return err == nil && sel.Has(feed)
}
