package config

import (
	"fmt"
	"reflect"

	"feedd/internal/selector"
	"feedd/internal/stream"
)

// Rule is what the settings say about certain feeds.
type Rule struct {
	// Match selects the feeds, as a reader would: names and patterns, joined by
	// commas. A pattern matches no name that starts with an underscore.
	Match Match `yaml:"match"`
	// Retention is complete: the bounds that the rule left out are those of
	// Config.Retention.
	Retention Retention `yaml:"retention"`
	// Read says who may read the feeds. Left out: anyone, except for feeds of
	// feedd's own.
	Read Access `yaml:"read,omitempty"`
	// Publish says who may publish to the feeds. Left out: only clients with a
	// credential for it.
	Publish Access `yaml:"publish,omitempty"`
}

// maxRuleTerms is how many terms the selector of a rule may have. It is bounded
// because each request for a feed may look at all of them; 1,000 names are more
// than a person keeps in a file. It is not limits.max_selector_terms, which is
// about requests.
const maxRuleTerms = 1000

// Match is the selector of a rule, as text in the settings.
type Match struct{ selector.Selection }

// UnmarshalText parses a selector.
func (m *Match) UnmarshalText(text []byte) error {
	sel, err := selector.Parse(string(text), maxRuleTerms)
	if err == nil {
		m.Selection = sel
	}
	return err
}

// MarshalText returns the selector as it was written.
func (m Match) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// finishRules gives the rules the bounds that they leave out. Variables and flags
// can set these, so it comes after all layers.
func (l *loader) finishRules() {
	defaults := make(map[string]reflect.Value)
	for s := range leaves(reflect.ValueOf(&l.cfg.Retention).Elem(), "") {
		defaults[s.path] = s.Value
	}
	for i := range l.cfg.Feeds {
		path := fmt.Sprintf("feeds[%d].retention", i)
		for s := range fieldsOf(reflect.ValueOf(&l.cfg.Feeds[i].Retention).Elem()) {
			if _, said := l.origins[subPath(path, s.path)]; !said {
				s.Set(defaults[s.path])
			}
		}
	}
}

// RetentionFor returns the retention that the settings give a feed.
func (c *Config) RetentionFor(feed string) stream.Retention {
	if r := c.rule(feed); r != nil {
		return r.Retention.Stream()
	}
	return c.Retention.Stream()
}

// ReadOpen reports whether anyone may read the feed without a credential. That
// is so unless a rule says otherwise. Only for feeds of feedd's own a rule must
// say that it is so: no pattern reaches them, so that a rule for ** which closes
// reading would leave them open.
func (c *Config) ReadOpen(feed string) bool {
	if r := c.rule(feed); r != nil && r.Read != "" {
		return r.Read == Anyone
	}
	return !selector.Internal(feed)
}

// PublishOpen reports whether anyone may publish to the feed without a
// credential. That is so only if a rule says it, and never for a feed of
// feedd's own.
func (c *Config) PublishOpen(feed string) bool {
	r := c.rule(feed)
	return r != nil && r.Publish == Anyone && !selector.Internal(feed)
}

// rule returns the first rule that matches, or nil. It does not allocate.
func (c *Config) rule(feed string) *Rule {
	for i := range c.Feeds {
		if c.Feeds[i].Match.Has(feed) {
			return &c.Feeds[i]
		}
	}
	return nil
}

// AnyReadOpen reports whether anyone may read some feed that the selection can
// ever include.
func (c *Config) AnyReadOpen(sel selector.Selection) bool {
	for _, term := range sel.Each() {
		if c.termOpen(term) {
			return true
		}
	}
	return false
}

func (c *Config) termOpen(term selector.Selection) bool {
	for i := range c.Feeds {
		r := &c.Feeds[i]
		if !r.Match.Meets(term) {
			continue
		}
		if r.Read != Token {
			return true
		}
		if r.Match.Covers(term) {
			return false // no later rule is asked about any of its feeds
		}
	}
	return true
}
