package registry

import (
	"feedd/internal/ordered"
	"feedd/internal/stream"
)

// Edit makes another registry of one.
type Edit struct {
	names   *ordered.Edit[string, *Feed] // nil until a feed is added or removed
	numbers *ordered.Edit[int64, *Feed]
	losses  *ordered.Edit[stream.ID, int] // nil until a loss changes
	of      *Registry
}

// Edit begins a change. The registry itself stays as it is.
func (r *Registry) Edit() *Edit { return &Edit{of: r} }

// Done returns the new registry, or the old one if nothing was changed.
func (e *Edit) Done() *Registry {
	if e.names == nil && e.losses == nil {
		return e.of
	}
	r := *e.of
	if e.names != nil {
		r.names, r.numbers = e.names.Done(), e.numbers.Done()
	}
	if e.losses != nil {
		r.losses = e.losses.Done()
	}
	return &r
}

func (e *Edit) open() {
	if e.names == nil {
		e.names, e.numbers = e.of.names.Edit(), e.of.numbers.Edit()
	}
}

// Add adds a feed.
func (e *Edit) Add(f *Feed) {
	e.open()
	e.names.Set(f.Name, f)
	e.numbers.Set(f.No, f)
	e.Lose(0, f.State().Lost)
}

// Remove removes a feed.
func (e *Edit) Remove(f *Feed) {
	e.open()
	e.names.Delete(f.Name)
	e.numbers.Delete(f.No)
	e.Lose(f.State().Lost, 0)
}

// Lose notes that the highest loss of a feed changes from old to lost; 0 is none.
func (e *Edit) Lose(old, lost stream.ID) {
	if old == lost {
		return
	}
	if e.losses == nil {
		e.losses = e.of.losses.Edit()
	}
	for id, more := range map[stream.ID]int{old: -1, lost: 1} {
		if id == 0 {
			continue
		}
		if n, _ := e.losses.Get(id); n+more > 0 {
			e.losses.Set(id, n+more)
		} else {
			e.losses.Delete(id)
		}
	}
}
