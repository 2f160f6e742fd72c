package stream

import "strings"

// interest finds who waits for a feed, at a cost that does not grow with those
// who wait for others: feeds by name, patterns by a tree of their tokens.
type interest struct {
	feeds map[string]waiterSet
	root  patternNode
}

type waiterSet map[*Waiter]struct{}

// patternNode is where patterns stand that begin with the same tokens.
type patternNode struct {
	next map[string]*patternNode // by token, * among them
	ends waiterSet               // of patterns that end here
	open waiterSet               // of those that go on with **
}

func newInterest() *interest { return &interest{feeds: make(map[string]waiterSet)} }

// add notes what a waiter selects.
func (in *interest) add(w *Waiter) {
	for i := range w.on.sel.terms {
		t := &w.on.sel.terms[i]
		if !t.pattern() {
			if in.feeds[t.text] == nil {
				in.feeds[t.text] = make(waiterSet, 1)
			}
			in.feeds[t.text][w] = struct{}{}
			continue
		}
		node := &in.root
		for _, token := range t.tokens {
			child := node.next[token]
			if child == nil {
				if node.next == nil {
					node.next = make(map[string]*patternNode, 1)
				}
				child = new(patternNode)
				node.next[token] = child
			}
			node = child
		}
		set := node.set(t)
		if *set == nil {
			*set = make(waiterSet, 1)
		}
		(*set)[w] = struct{}{}
	}
}

// remove takes back an add.
func (in *interest) remove(w *Waiter) {
	for i := range w.on.sel.terms {
		t := &w.on.sel.terms[i]
		if !t.pattern() {
			delete(in.feeds[t.text], w)
			if len(in.feeds[t.text]) == 0 {
				delete(in.feeds, t.text)
			}
			continue
		}
		in.root.remove(t, t.tokens, w)
	}
}

// remove takes a waiter out below the node, whose place is the end of t without
// the tokens. It reports whether nothing is left there.
func (n *patternNode) remove(t *term, tokens []string, w *Waiter) (empty bool) {
	if len(tokens) == 0 {
		delete(*n.set(t), w)
	} else if child := n.next[tokens[0]]; child != nil && child.remove(t, tokens[1:], w) {
		delete(n.next, tokens[0])
	}
	return len(n.next) == 0 && len(n.ends) == 0 && len(n.open) == 0
}

func (n *patternNode) set(t *term) *waiterSet {
	if t.open {
		return &n.open
	}
	return &n.ends
}

// each calls fn for every waiter whose selection has the feed; for one with
// several terms that match, several times.
func (in *interest) each(feed string, fn func(*Waiter)) {
	allowed := func(set waiterSet) {
		for w := range set {
			if allow := w.on.sel.allow; allow == nil || allow(feed) {
				fn(w)
			}
		}
	}
	allowed(in.feeds[feed])
	if !Internal(feed) {
		in.root.each(feed, allowed)
	}
}

// each calls fn for the patterns below the node that match the rest of a
// feed's name, which is not empty.
func (n *patternNode) each(rest string, fn func(waiterSet)) {
	fn(n.open)
	if len(n.next) == 0 {
		return
	}
	token, rest, more := strings.Cut(rest, ".")
	for _, name := range [...]string{token, "*"} {
		child := n.next[name]
		switch {
		case child == nil:
		case more:
			child.each(rest, fn)
		default:
			fn(child.ends)
		}
	}
}
