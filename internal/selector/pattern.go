package selector

import (
	"slices"
	"sort"
	"strings"

	"feedd/internal/ordered"
)

// Terms and names are kept sorted, byte by byte. So those that begin with the
// same tokens and a dot stand together. That serves as a tree in which matches
// are found, and needs no nodes.

// matchesAny reports whether one of the patterns, which are sorted, matches the
// feed's name. It looks at those only that begin as the name does.
func matchesAny(patterns []string, feed string) bool {
	return len(patterns) > 0 && !Internal(feed) && matchesFrom(patterns, 0, feed)
}

// matchesFrom reports whether one of the patterns matches the rest of the name
// from off on. Up to off the patterns are alike and match the name.
func matchesFrom(patterns []string, off int, rest string) bool {
	const few = 4 // so few are faster one by one than by a search
	if len(patterns) <= few {
		return slices.ContainsFunc(patterns, func(p string) bool { return matches(p[off:], rest) })
	}
	token, rest, more := strings.Cut(rest, ".")
	if hasAt(patterns, off, "**") {
		return true
	}
	for _, t := range [...]string{token, "*"} {
		if !more {
			if hasAt(patterns, off, t) {
				return true
			}
		} else if below := beginAt(patterns, off, t); len(below) > 0 && matchesFrom(below, off+len(t)+1, rest) {
			return true
		}
	}
	return false
}

// hasAt reports whether one of the sorted terms is t from off on.
func hasAt(terms []string, off int, t string) bool {
	i := sort.Search(len(terms), func(i int) bool { return terms[i][off:] >= t })
	return i < len(terms) && terms[i][off:] == t
}

// beginAt returns those of the sorted terms that go on with t and a dot from off
// on.
func beginAt(terms []string, off int, t string) []string {
	begins := func(s string) bool { return len(s) > len(t) && s[:len(t)] == t && s[len(t)] == '.' }
	from := sort.Search(len(terms), func(i int) bool { s := terms[i][off:]; return begins(s) || beforeDot(t, s) })
	terms = terms[from:]
	to := sort.Search(len(terms), func(i int) bool { return !begins(terms[i][off:]) })
	return terms[:to]
}

// beforeDot reports whether t with a dot behind it comes before s.
func beforeDot(t, s string) bool {
	if strings.HasPrefix(s, t) {
		return len(s) > len(t) && s[len(t)] > '.'
	}
	return t < s
}

// matches reports whether a pattern, or the rest of one, matches a name, or the
// rest of one.
func matches(pattern, name string) bool {
	for {
		token, patternRest, patternMore := strings.Cut(pattern, ".")
		if token == "**" {
			return true
		}
		own, nameRest, nameMore := strings.Cut(name, ".")
		if token != "*" && token != own || patternMore != nameMore {
			return false
		}
		if !patternMore {
			return true
		}
		pattern, name = patternRest, nameRest
	}
}

// termMatches reports whether a term, a pattern or a name, includes a feed.
func termMatches(term, feed string) bool {
	return term == feed || isPattern(term) && !Internal(feed) && matches(term, feed)
}

// meets reports whether there can be a feed that both terms include.
func meets(a, b string) bool {
	switch {
	case !isPattern(a):
		return termMatches(b, a)
	case !isPattern(b):
		return termMatches(a, b)
	}
	for {
		x, restA, moreA := strings.Cut(a, ".")
		y, restB, moreB := strings.Cut(b, ".")
		switch {
		case x == "**" || y == "**":
			return true
		case x != "*" && y != "*" && x != y, moreA != moreB:
			return false
		case !moreA:
			return true
		}
		a, b = restA, restB
	}
}

// covers reports whether every feed that b includes is one of a's.
func covers(a, b string) bool {
	switch {
	case !isPattern(b):
		return termMatches(a, b)
	case !isPattern(a):
		return false
	}
	for {
		x, restA, moreA := strings.Cut(a, ".")
		y, restB, moreB := strings.Cut(b, ".")
		switch {
		case x == "**":
			return true
		case y == "**", x != "*" && x != y, moreA != moreB:
			return false
		case !moreA:
			return true
		}
		a, b = restA, restB
	}
}

// EachPattern calls fn for the value of each pattern in the map that matches the
// feed's name. There may be names among the terms, which do not count.
//
// It looks up the name's tokens one after the other, each of them or * in its
// place, below what matched so far. What it visits is at most twice as much with
// each token, and at most what there is: a name of four tokens takes some thirty
// look-ups, however many patterns there are.
func EachPattern[V any](terms ordered.Map[string, V], feed string, fn func(V)) {
	if terms.Len() == 0 || Internal(feed) {
		return
	}
	var buf [MaxFeedName + len(".**")]byte
	w := matching[V]{terms, fn}
	w.from(buf[:0], feed, false)
}

type matching[V any] struct {
	terms ordered.Map[string, V]
	fn    func(V)
}

// from visits the terms that begin with prefix, which matched, and match the
// rest of the name, which is not empty. Starred says that there is a * in prefix.
func (w *matching[V]) from(prefix []byte, rest string, starred bool) {
	w.at(append(prefix, "**"...))
	token, rest, more := strings.Cut(rest, ".")
	for _, t := range [...]string{token, "*"} {
		next, pattern := append(prefix, t...), starred || t == "*"
		if !more {
			if pattern {
				w.at(next)
			}
			continue
		}
		next = append(next, '.')
		if c := w.terms.Seek(string(next)); c.Valid() && strings.HasPrefix(c.Key(), string(next)) {
			w.from(next, rest, pattern)
		}
	}
}

func (w *matching[V]) at(term []byte) {
	if v, ok := w.terms.Get(string(term)); ok {
		w.fn(v)
	}
}
