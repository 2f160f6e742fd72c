package access

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"feedd/internal/problem"
	"feedd/internal/selector"
)

// Selector parses the path's selector.
func (g *Gate) Selector(r *http.Request) (sel selector.Selection, err error) {
	text, err := PathParam(r, "feed")
	if err != nil {
		return sel, problem.BadSelector.Because(err)
	}
	return g.ParseSelector(r, text)
}

// ParseSelector parses a selector that a request gives.
func (g *Gate) ParseSelector(r *http.Request, text string) (selector.Selection, error) {
	if n := strings.Count(text, ",") + 1; n > g.maxTerms {
		return selector.Selection{}, problem.BadSelector.Hit("max_selector_terms").With("it has %d terms; max_selector_terms allows %d", n, g.maxTerms)
	}
	sel, err := selector.Parse(text, g.maxTerms)
	if err != nil {
		return sel, problem.BadSelector.Because(err)
	}
	most := g.maxAnonymousPatterns
	if n := len(sel.Patterns()); most > 0 && n > most && Principal(r).Anonymous() {
		return sel, problem.BadSelector.Hit("max_anonymous_patterns").With("it has %d patterns; max_anonymous_patterns allows %d without a credential", n, most)
	}
	return sel, nil
}

// Readable reduces a selection to what the principal may read.
func (g *Gate) Readable(r *http.Request, sel selector.Selection) (selector.Selection, error) {
	p := Principal(r)
	if names, plain := sel.Names(); plain {
		for _, name := range names {
			if !g.auth.MayRead(p, name) {
				return selector.Selection{}, Refuse(r, "reading "+name)
			}
		}
		return sel, nil
	}
	// Feed names beside patterns are checked one by one too.
	for _, term := range sel.Terms() {
		if !strings.Contains(term, "*") && !g.auth.MayRead(p, term) {
			return selector.Selection{}, Refuse(r, "reading "+term)
		}
	}
	if p.Admin() {
		return sel, nil
	}
	if !g.auth.MayReadAny(p, sel) {
		return selector.Selection{}, Refuse(r, "reading "+sel.String())
	}
	return sel.Allowing(g.auth.Scope(p), func(feed string) bool { return g.auth.MayRead(p, feed) }), nil
}

// MayRead returns an error unless the principal may read a feed.
func (g *Gate) MayRead(r *http.Request, feed string) error {
	if !g.auth.MayRead(Principal(r), feed) {
		return Refuse(r, "reading "+feed)
	}
	return nil
}

// FeedName returns the path's feed name.
func FeedName(r *http.Request) (string, error) {
	name, err := PathParam(r, "feed")
	if err == nil {
		err = selector.CheckFeed(name)
	}
	if err != nil {
		return "", problem.BadFeed.Because(err)
	}
	return strings.Clone(name), nil // it is kept, and must not keep the whole path
}

// PathParam returns a part of the path, percent-decoded once. If a path has
// escapes that matter, chi matches its raw form and gives raw parts.
func PathParam(r *http.Request, name string) (string, error) {
	v := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return v, nil
	}
	return url.PathUnescape(v)
}
