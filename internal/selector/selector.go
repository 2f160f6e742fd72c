package selector

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Selection is what a reader asks for: feeds, and optionally only items with
// certain event names. The zero Selection selects nothing. It is immutable.
type Selection struct {
	text string
	// names and patterns are the terms, parts of text: sorted, each once. Those
	// that begin alike stand together, so a name is looked for among few.
	names, patterns []string

	eventKey string   // the event names, joined
	events   []string // parts of eventKey, sorted; nil: all; "" is for items without a name
	allow    func(feed string) bool
	scope    string // names allow
}

// Key is the same for selections that select the same.
type Key struct{ text, events, scope string }

// Parse parses a selector: at most maxTerms terms joined by commas,
// each a feed name or a pattern. In a pattern * stands for exactly one whole
// token, and **, only last, for one or more. Patterns never match names that
// start with an underscore. A repeated term counts once.
func Parse(s string, maxTerms int) (Selection, error) {
	if s == "" {
		return Selection{}, errors.New("the selector is empty")
	}
	n := strings.Count(s, ",") + 1
	if n > maxTerms {
		return Selection{}, fmt.Errorf("the selector has %d terms, more than %d", n, maxTerms)
	}
	sel := Selection{text: strings.Clone(s)} // a part of a request must not keep the whole
	terms := make([]string, n)
	names, patterns := 0, n // the names stand in front, the patterns at the end
	for term := range strings.SplitSeq(sel.text, ",") {
		if err := checkTerm(term); err != nil {
			return Selection{}, err
		}
		if isPattern(term) {
			patterns--
			terms[patterns] = term
		} else {
			terms[names] = term
			names++
		}
	}
	sel.names, sel.patterns = sortedOnce(terms[:names:names]), sortedOnce(terms[patterns:])
	return sel, nil
}

func sortedOnce(terms []string) []string {
	slices.Sort(terms)
	return slices.Compact(terms)
}

func isPattern(term string) bool { return strings.IndexByte(term, '*') >= 0 }

func checkTerm(s string) error {
	if !isPattern(s) {
		return CheckFeed(s)
	}
	if len(s) > MaxFeedName {
		return fmt.Errorf("the pattern has %d characters, more than %d", len(s), MaxFeedName)
	}
	begin := 0 // of the token
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			continue
		}
		if token := s[begin:i]; token != "*" && !isToken(token) && (token != "**" || i < len(s)) {
			return fmt.Errorf("bad pattern %q: * stands for one whole token, ** only last", s)
		}
		begin = i + 1
	}
	return nil
}

// Only returns the selection reduced to items with one of the event names.
// "message" stands for items without a name too: to a page they are the same.
// No names: all.
func (s Selection) Only(events []string) Selection {
	s.events, s.eventKey = nil, ""
	if len(events) == 0 {
		return s
	}
	list := slices.Sorted(slices.Values(events))
	if slices.Contains(list, "message") {
		list = slices.Insert(list, 0, "")
	}
	s.eventKey = strings.Join(slices.Compact(list), ",")
	s.events = strings.Split(s.eventKey, ",")
	return s
}

// Allowing returns the selection reduced to the feeds for which allow is true.
// Scope names allow: what has the same scope passes the same feeds.
func (s Selection) Allowing(scope string, allow func(feed string) bool) Selection {
	s.allow, s.scope = allow, scope
	return s
}

// Key returns what tells the selection from others.
func (s Selection) Key() Key { return Key{s.text, s.eventKey, s.scope} }

// What a term and an event name take beside their text, in bytes: see Cost.
const (
	// termCost: 16 in the selection; up to 64 in the tree that finds the
	// listeners of a feed, where an entry is 24 in a leaf that may be half empty;
	// and 48 for the post of the listeners there.
	termCost  = 16 + 64 + 48
	eventCost = 16 // a string: a pointer and a length
)

// Cost returns how many bytes of memory the selection takes at most while it
// has a reader: its text, and its terms here and in the tree that finds the
// listeners of a feed. Readers that select the same share it.
func (s Selection) Cost() int64 {
	n := len(s.text) + len(s.eventKey) + len(s.events)*eventCost + (len(s.names)+len(s.patterns))*termCost
	return int64(n + n/8) // what is allocated is rounded up
}

// Has reports whether the selection includes the feed.
func (s Selection) Has(feed string) bool {
	return (among(s.names, feed) || matchesAny(s.patterns, feed)) && s.Allows(feed)
}

// Allows reports whether the feed is allowed (see [Selection.Allowing]),
// whatever the terms say.
func (s Selection) Allows(feed string) bool { return s.allow == nil || s.allow(feed) }

func among(sorted []string, s string) bool {
	if len(sorted) == 1 {
		return sorted[0] == s
	}
	_, found := slices.BinarySearch(sorted, s)
	return found
}

// HasEvent reports whether items with this event name ("" for none) pass.
func (s Selection) HasEvent(name string) bool { return s.events == nil || among(s.events, name) }

// Filtered reports whether the selection passes only certain event names.
func (s Selection) Filtered() bool { return s.events != nil }

// Names returns the feeds of a selection that has no pattern, and whether it
// is one. A feed that is not allowed is left out. The list is not the caller's.
func (s Selection) Names() ([]string, bool) {
	if len(s.patterns) > 0 {
		return nil, false
	}
	if s.allow == nil {
		return s.names, true
	}
	var names []string
	for _, name := range s.names {
		if s.allow(name) {
			names = append(names, name)
		}
	}
	return names, true
}

// Patterns returns the patterns of the selection. The list is not the caller's.
func (s Selection) Patterns() []string { return s.patterns }

// Terms returns the terms: feed names, then patterns.
func (s Selection) Terms() []string { return slices.Concat(s.names, s.patterns) }

// EachTerm calls fn for each of the terms, in the order of Terms.
func (s Selection) EachTerm(fn func(term string)) {
	for _, name := range s.names {
		fn(name)
	}
	for _, pattern := range s.patterns {
		fn(pattern)
	}
}

// String returns the selector as it was written.
func (s Selection) String() string { return s.text }

// Each returns the selection's terms as selections of their own.
func (s Selection) Each() []Selection {
	list := make([]Selection, 0, len(s.names)+len(s.patterns))
	for i, t := range s.names {
		list = append(list, Selection{text: t, names: s.names[i : i+1]})
	}
	for i, t := range s.patterns {
		list = append(list, Selection{text: t, patterns: s.patterns[i : i+1]})
	}
	return list
}

// Meets reports whether there can be a feed that both selections include.
func (s Selection) Meets(o Selection) bool {
	return anyPair(s, o, meets)
}

// Covers reports whether every feed of o is one of a single term of s.
func (s Selection) Covers(o Selection) bool {
	for _, term := range o.Each() {
		if !anyPair(s, term, covers) {
			return false
		}
	}
	return true
}

// anyPair reports whether is holds for some term of s and some term of o.
func anyPair(s, o Selection, is func(a, b string) bool) bool {
	for _, a := range s.Terms() {
		if slices.ContainsFunc(o.Terms(), func(b string) bool { return is(a, b) }) {
			return true
		}
	}
	return false
}
