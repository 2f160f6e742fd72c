package stream

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Selection is what a reader asks for: feeds, and optionally only items with
// certain event names. The zero Selection selects nothing. It is immutable.
type Selection struct {
	terms  []term
	mixed  bool            // a term is a pattern
	events map[string]bool // nil: all; "" stands for items without a name
	allow  func(feed string) bool
	scope  string // names allow
	text   string
}

type term struct {
	text   string
	tokens []string // nil for a plain feed name
	open   bool     // ends in **: one or more tokens after tokens
}

// ParseSelector parses a selector: at most maxTerms terms joined by commas,
// each a feed name or a pattern. In a pattern * stands for exactly one whole
// token, and **, only last, for one or more. Patterns never match names that
// start with an underscore. A repeated term counts once.
func ParseSelector(s string, maxTerms int) (Selection, error) {
	if s == "" {
		return Selection{}, errors.New("the selector is empty")
	}
	if n := strings.Count(s, ",") + 1; n > maxTerms {
		return Selection{}, fmt.Errorf("the selector has %d terms, more than %d", n, maxTerms)
	}
	s = strings.Clone(s) // a part of a request must not keep the whole
	sel := Selection{text: s}
	for text := range strings.SplitSeq(s, ",") {
		t, err := parseTerm(text)
		if err != nil {
			return Selection{}, err
		}
		if slices.ContainsFunc(sel.terms, func(o term) bool { return o.text == t.text }) {
			continue
		}
		sel.mixed = sel.mixed || t.pattern()
		sel.terms = append(sel.terms, t)
	}
	return sel, nil
}

func parseTerm(s string) (term, error) {
	if !strings.Contains(s, "*") {
		return term{text: s}, CheckFeed(s)
	}
	if len(s) > MaxFeedName {
		return term{}, fmt.Errorf("the pattern has %d characters, more than %d", len(s), MaxFeedName)
	}
	t := term{text: s, tokens: strings.Split(s, ".")}
	if last := len(t.tokens) - 1; t.tokens[last] == "**" {
		t.tokens, t.open = t.tokens[:last], true
	}
	for _, tok := range t.tokens {
		if tok != "*" && !isToken(tok) {
			return term{}, fmt.Errorf("bad pattern %q: * stands for one whole token, ** only last", s)
		}
	}
	return t, nil
}

func (t *term) matches(feed string) bool {
	if !t.pattern() {
		return t.text == feed
	}
	if Internal(feed) {
		return false
	}
	for i, tok := range t.tokens {
		name, rest, more := strings.Cut(feed, ".")
		if tok != "*" && tok != name {
			return false
		}
		if last := i == len(t.tokens)-1; last && !more {
			return !t.open
		} else if !last && !more {
			return false
		}
		feed = rest
	}
	return t.open
}

// Only returns the selection reduced to items with one of the event names.
// "message" stands for items without a name too: to a page they are the same.
// No names: all.
func (s Selection) Only(events []string) Selection {
	s.events = nil
	for _, name := range events {
		if s.events == nil {
			s.events = make(map[string]bool)
		}
		s.events[name] = true
		if name == "message" {
			s.events[""] = true
		}
	}
	return s
}

// Allowing returns the selection reduced to the feeds for which allow is true.
// Scope names allow: what has the same scope passes the same feeds.
func (s Selection) Allowing(scope string, allow func(feed string) bool) Selection {
	s.allow, s.scope = allow, scope
	return s
}

// key is the same for selections that select the same.
func (s Selection) key() string {
	if s.events == nil && s.allow == nil {
		return s.text
	}
	// No name has a space in it.
	return s.text + " " + strings.Join(slices.Sorted(maps.Keys(s.events)), ",") + " " + s.scope
}

// Has reports whether the selection includes the feed.
func (s Selection) Has(feed string) bool {
	for i := range s.terms {
		if s.terms[i].matches(feed) {
			return s.allow == nil || s.allow(feed)
		}
	}
	return false
}

// Meets reports whether there can be a feed that both selections include.
func (s Selection) Meets(o Selection) bool {
	for i := range s.terms {
		for j := range o.terms {
			if s.terms[i].meets(&o.terms[j]) {
				return true
			}
		}
	}
	return false
}

// Covers reports whether every feed of o is one of a single term of s.
func (s Selection) Covers(o Selection) bool {
	for j := range o.terms {
		if !slices.ContainsFunc(s.terms, func(t term) bool { return t.covers(&o.terms[j]) }) {
			return false
		}
	}
	return true
}

func (t *term) pattern() bool { return t.tokens != nil }

func (t *term) meets(o *term) bool {
	switch {
	case !t.pattern():
		return o.matches(t.text)
	case !o.pattern():
		return t.matches(o.text)
	}
	n := min(len(t.tokens), len(o.tokens))
	for i := range n {
		if a, b := t.tokens[i], o.tokens[i]; a != "*" && b != "*" && a != b {
			return false
		}
	}
	// What is longer needs the shorter one to be open for its other tokens.
	switch {
	case len(t.tokens) == len(o.tokens):
		return t.open == o.open
	case len(t.tokens) < len(o.tokens):
		return t.open
	default:
		return o.open
	}
}

func (t *term) covers(o *term) bool {
	switch {
	case !o.pattern():
		return t.matches(o.text)
	case !t.pattern() || len(t.tokens) > len(o.tokens):
		return false
	}
	for i, tok := range t.tokens {
		if tok != "*" && tok != o.tokens[i] {
			return false
		}
	}
	if len(t.tokens) == len(o.tokens) {
		return t.open == o.open
	}
	return t.open
}

// Each returns the selection's terms as selections of their own.
func (s Selection) Each() []Selection {
	list := make([]Selection, len(s.terms))
	for i, t := range s.terms {
		list[i] = Selection{terms: []term{t}, mixed: t.pattern(), text: t.text}
	}
	return list
}

// HasEvent reports whether items with this event name ("" for none) pass.
func (s Selection) HasEvent(name string) bool { return s.events == nil || s.events[name] }

// Filtered reports whether the selection passes only certain event names.
func (s Selection) Filtered() bool { return s.events != nil }

// Names returns the feeds of a selection that has no pattern, and whether it
// is one. A feed that is not allowed is left out.
func (s Selection) Names() ([]string, bool) {
	if s.mixed {
		return nil, false
	}
	names := make([]string, 0, len(s.terms))
	for _, t := range s.terms {
		if s.allow == nil || s.allow(t.text) {
			names = append(names, t.text)
		}
	}
	return names, true
}

// Terms returns the terms as they were written.
func (s Selection) Terms() []string {
	terms := make([]string, len(s.terms))
	for i, t := range s.terms {
		terms[i] = t.text
	}
	return terms
}

// String returns the selector as it was written.
func (s Selection) String() string { return s.text }
