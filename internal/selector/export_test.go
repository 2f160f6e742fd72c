package selector

import "feedd/internal/ordered"

// ResolveSteps returns how many steps Resolve takes for all that it finds.
func ResolveSteps[V any](s Selection, feeds ordered.Map[string, V]) int {
	r := resolving[V]{sel: s, fn: func(V) bool { return true }, at: feeds.All()}
	r.below("", s.patterns)
	return r.steps
}
