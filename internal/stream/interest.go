package stream

import (
	"slices"
	"sync"
	"sync/atomic"

	"feedd/internal/ordered"

	"feedd/internal/selector"
)

// interest finds the listeners for a feed. What that costs does not grow with
// the number of readers of other feeds: see selector.EachPattern.
//
// Readers that come and go do not hold up deliveries. The tree of terms is
// immutable and replaced as a whole, so a delivery walks over it without a
// lock. It holds mu for one post at a time.
type interest struct {
	// terms are all terms of all targets: names and patterns.
	terms atomic.Pointer[ordered.Map[string, *post]]

	// editMu guards targets and their holders, and is held while a new tree is
	// made. It comes before the others.
	editMu  sync.Mutex
	targets map[selector.Key]*Target

	dropMu  sync.Mutex // guards dropped
	dropped []*Target  // each was given back once; dropAll is under way while there are any

	// mu guards the posts and the listeners of targets. Nothing blocks under it,
	// and nothing is done for all terms of a selection.
	mu sync.Mutex
}

// post holds the targets whose selections have a term.
type post struct{ targets []*Target }

func newInterest() *interest {
	in := &interest{targets: make(map[selector.Key]*Target)}
	in.terms.Store(new(ordered.Map[string, *post]))
	return in
}

// hold returns the target of a selection. Readers with the same selection share
// it, and are found by it. drop gives it back.
func (in *interest) hold(sel selector.Selection) *Target {
	in.editMu.Lock()
	defer in.editMu.Unlock()
	key := sel.Key()
	t := in.targets[key]
	if t == nil {
		t = newTarget(sel)
		t.in = in
		in.targets[key] = t
		in.link(t)
	}
	t.holders++
	return t
}

// drop takes back a hold. It does not wait for editMu, which may be held for a
// while: a shard that ends a subscriber has others to serve.
func (in *interest) drop(t *Target) {
	in.dropMu.Lock()
	defer in.dropMu.Unlock()
	in.dropped = append(in.dropped, t)
	if len(in.dropped) == 1 {
		go in.dropAll()
	}
}

// dropAll takes back all holds that drop has noted.
func (in *interest) dropAll() {
	in.editMu.Lock()
	defer in.editMu.Unlock()
	in.dropMu.Lock()
	list := in.dropped
	in.dropped = nil
	in.dropMu.Unlock()
	for _, t := range list {
		if t.holders--; t.holders == 0 {
			delete(in.targets, t.sel.Key())
			in.unlink(t)
		}
	}
}

// link adds a target to the posts of its terms.
func (in *interest) link(t *Target) {
	terms := *in.terms.Load()
	var edit *ordered.Edit[string, *post]
	t.sel.EachTerm(func(term string) {
		if p, ok := terms.Get(term); ok {
			in.mu.Lock()
			p.targets = append(p.targets, t)
			in.mu.Unlock()
			return
		}
		if edit == nil {
			edit = terms.Edit()
		}
		edit.Set(term, &post{targets: []*Target{t}})
	})
	in.replace(edit)
}

// unlink takes a target out of the posts of its terms.
func (in *interest) unlink(t *Target) {
	terms := *in.terms.Load()
	var edit *ordered.Edit[string, *post]
	t.sel.EachTerm(func(term string) {
		p, _ := terms.Get(term)
		in.mu.Lock()
		p.targets = without(p.targets, slices.Index(p.targets, t))
		empty := len(p.targets) == 0
		in.mu.Unlock()
		if empty {
			if edit == nil {
				edit = terms.Edit()
			}
			edit.Delete(term)
		}
	})
	in.replace(edit)
}

// replace puts the tree that an edit has made in the place of the old one. The
// edit is nil if the tree stays as it is.
func (in *interest) replace(edit *ordered.Edit[string, *post]) {
	if edit != nil {
		m := edit.Done()
		in.terms.Store(&m)
	}
}

// without takes out an element and puts the last one in its place. A list that
// is much shorter than it once was is copied, to give back memory.
func without[T any](list []*T, i int) []*T {
	last := len(list) - 1
	list[i], list[last] = list[last], nil
	if list = list[:last]; cap(list) > 4*last { // not 2: then it could be copied each time that a reader comes and goes
		list = slices.Clone(list)
	}
	return list
}

// attach registers a listener at its target.
func (in *interest) attach(l *Listener) {
	in.mu.Lock()
	defer in.mu.Unlock()
	l.at = len(l.target.listeners)
	l.target.listeners = append(l.target.listeners, l)
}

// detach undoes attach.
func (in *interest) detach(l *Listener) {
	in.mu.Lock()
	defer in.mu.Unlock()
	list := l.target.listeners
	list[len(list)-1].at = l.at
	l.target.listeners = without(list, l.at)
}

// each calls fn for every listener whose selection has the feed, once for each
// of its terms that match. fn must not block.
func (in *interest) each(feed string, fn func(*Listener)) {
	in.named(feed, fn)
	in.patterned(feed, fn)
}

// named is each for the listeners that have the feed's name among their terms.
func (in *interest) named(feed string, fn func(*Listener)) {
	if p, ok := in.terms.Load().Get(feed); ok {
		in.tell(p, feed, fn)
	}
}

// patterned is each for the listeners that have a pattern that matches.
func (in *interest) patterned(feed string, fn func(*Listener)) {
	selector.EachPattern(*in.terms.Load(), feed, func(p *post) { in.tell(p, feed, fn) })
}

func (in *interest) tell(p *post, feed string, fn func(*Listener)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, t := range p.targets {
		if !t.sel.Allows(feed) {
			continue
		}
		for _, l := range t.listeners {
			fn(l)
		}
	}
}
