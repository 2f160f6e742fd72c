package selector

import (
	"runtime"
	"slices"
	"sort"
	"strings"

	"feedd/internal/ordered"
)

// Resolve calls fn for each feed in the map that the selection includes, once,
// until fn returns false. The order is almost that of names.
//
// All patterns go down the names together, token by token. Only the beginnings
// of names that a pattern may still match are visited, each once: sports.**
// visits what begins with sports., and *.a.b visits all first tokens, and below
// each of them only a.b. Resolve takes no lock, and lets other goroutines run.
func Resolve[V any](s Selection, feeds ordered.Map[string, V], fn func(V) bool) {
	r := resolving[V]{sel: s, fn: fn, at: feeds.All()}
	for _, name := range s.names {
		if v, ok := feeds.Get(name); ok && !matchesAny(s.patterns, name) && !r.found(name, v) {
			return
		}
	}
	if len(s.patterns) > 0 {
		r.below("", s.patterns)
	}
}

type resolving[V any] struct {
	sel   Selection
	fn    func(V) bool
	at    ordered.Cursor[string, V] // only ever moves forward
	steps int
	ended bool
}

// resolveTurn is how many names are visited before other goroutines have their
// turn: that takes some tens of microseconds.
const resolveTurn = 1024

// step counts a visit.
func (r *resolving[V]) step() {
	if r.steps++; r.steps%resolveTurn == 0 {
		runtime.Gosched()
	}
}

func (r *resolving[V]) found(name string, v V) bool {
	r.step()
	if r.sel.allow == nil || r.sel.allow(name) {
		r.ended = r.ended || !r.fn(v)
	}
	return !r.ended
}

// below visits the names that begin with prefix, which is empty or ends with a
// dot, and go on as one of the rests of patterns does, which are sorted.
//
// Names and rests are gone through side by side, by their heads, which come in
// the same order on both sides.
func (r *resolving[V]) below(prefix string, rests []string) {
	if hasAt(rests, 0, "**") {
		r.all(prefix)
		return
	}
	// Rests that begin with * come before all others.
	n := sort.Search(len(rests), func(i int) bool { return rests[i][0] != '*' })
	others := rests[n:]
	all := hasAt(rests[:n], 0, "*") // * ends a pattern
	stars := rests[:n]
	if all {
		stars = stars[1:]
	}
	stars = tails(stars, "*.")
	for !r.ended && r.inside(prefix) {
		r.step()
		name := r.at.Key()
		if prefix == "" && Internal(name) {
			r.at.Seek(behindInternal)
			continue
		}
		h := head(name[len(prefix):])
		i := sort.SearchStrings(others, h)
		if n == 0 {
			if i == len(others) {
				return
			}
			if wanted := head(others[i]); wanted != h {
				r.at.Seek(prefix + wanted)
				continue
			}
		}
		if h[len(h)-1] != '.' {
			if all || i < len(others) && others[i] == h {
				r.found(name, r.at.Value())
			}
			r.at.Next()
			continue
		}
		next := stars
		if own := tails(others[i:], h); len(own) > 0 {
			next = own
			if len(stars) > 0 {
				next = slices.Concat(stars, own)
				slices.Sort(next)
			}
		}
		if deeper := name[:len(prefix)+len(h)]; len(next) > 0 {
			r.below(deeper, next)
		}
		r.at.Seek(prefix + h[:len(h)-1] + "/") // a slash is what comes behind the dot
	}
}

// behindInternal comes behind all names that begin with _.
const behindInternal = "`"

// head returns a name's or pattern's first token, with the dot behind it where
// there is one.
func head(s string) string {
	if i := strings.IndexByte(s, '.'); i >= 0 {
		return s[:i+1]
	}
	return s
}

// all visits the names that begin with prefix.
func (r *resolving[V]) all(prefix string) {
	for !r.ended && r.inside(prefix) {
		name := r.at.Key()
		if prefix == "" && Internal(name) {
			r.at.Seek(behindInternal)
			continue
		}
		r.found(name, r.at.Value())
		r.at.Next()
	}
}

// inside moves to the first name that begins with prefix, if it is behind where
// it stands, and reports whether there is one.
func (r *resolving[V]) inside(prefix string) bool {
	if r.at.Valid() && r.at.Key() < prefix {
		r.at.Seek(prefix)
	}
	return r.at.Valid() && strings.HasPrefix(r.at.Key(), prefix)
}

// tails returns what the first of the sorted rests, which begin with h, go on
// with.
func tails(rests []string, h string) []string {
	var list []string
	for _, rest := range rests {
		tail, ok := strings.CutPrefix(rest, h)
		if !ok {
			break
		}
		list = append(list, tail)
	}
	return list
}
