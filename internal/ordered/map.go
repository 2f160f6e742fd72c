// Package ordered has a map that is in the order of its keys, and of which one
// goroutine makes new versions while others walk over older ones without a
// lock.
package ordered

import (
	"cmp"
	"slices"
	"sort"
)

const (
	// maxLeaf is how many entries a leaf has at most. A change copies a leaf and
	// the list of all leaves. In a map of 10,000 entries both have about the same
	// size with 100 entries in a leaf, and take a microsecond or two.
	maxLeaf = 128
	// minLeaf is the number below which a leaf is joined to its neighbour, if both
	// have room in half a leaf. Between the two a leaf can grow and shrink without
	// being split and joined each time.
	minLeaf = maxLeaf / 4
	// spare is the room that a copied leaf gets for more keys of the same edit.
	// Most edits add one feed, a few of them to the same leaf.
	spare = 8
)

// Map is an immutable map in the order of its keys. The zero Map is empty. A
// copy of a Map is the same map; Edit makes others.
type Map[K cmp.Ordered, V any] struct {
	leaves []*leaf[K, V] // none of them is empty
	len    int
}

type leaf[K cmp.Ordered, V any] struct {
	keys   []K
	values []V
	owner  *Edit[K, V] // the edit that made it, and alone may change it, until it is done
}

// Len returns how many keys there are.
func (m Map[K, V]) Len() int { return m.len }

// Get returns the value of a key.
func (m Map[K, V]) Get(key K) (v V, ok bool) {
	if c := m.Seek(key); c.Valid() && c.Key() == key {
		return c.Value(), true
	}
	return v, false
}

// Last returns the largest key at or below key.
func (m Map[K, V]) Last(key K) (last K, ok bool) {
	// The leaf before the first that begins above key.
	i := sort.Search(len(m.leaves), func(i int) bool { return m.leaves[i].keys[0] > key }) - 1
	if i < 0 {
		return last, false
	}
	keys := m.leaves[i].keys
	return keys[sort.Search(len(keys), func(j int) bool { return keys[j] > key })-1], true
}

// Seek returns a cursor at the smallest key at or above key.
func (m Map[K, V]) Seek(key K) Cursor[K, V] {
	c := Cursor[K, V]{leaves: m.leaves}
	c.Seek(key)
	return c
}

// All returns a cursor at the smallest key.
func (m Map[K, V]) All() Cursor[K, V] { return Cursor[K, V]{leaves: m.leaves} }

// Cursor is a place in a Map.
type Cursor[K cmp.Ordered, V any] struct {
	leaves []*leaf[K, V] // the one where it stands, and all behind it
	at     int
}

// Valid reports whether the cursor stands at a key, and is not behind the last.
func (c *Cursor[K, V]) Valid() bool { return len(c.leaves) > 0 }

// Key returns the key where the cursor stands.
func (c *Cursor[K, V]) Key() K { return c.leaves[0].keys[c.at] }

// Value returns the value of that key.
func (c *Cursor[K, V]) Value() V { return c.leaves[0].values[c.at] }

// Next moves the cursor to the next key.
func (c *Cursor[K, V]) Next() {
	if c.at++; c.at == len(c.leaves[0].keys) {
		c.leaves, c.at = c.leaves[1:], 0
	}
}

// Seek moves the cursor forward, to the smallest key at or above key; never
// back.
func (c *Cursor[K, V]) Seek(key K) {
	if len(c.leaves) == 0 {
		return
	}
	if keys := c.leaves[0].keys; keys[len(keys)-1] < key { // behind this leaf
		rest := c.leaves[1:]
		i := sort.Search(len(rest), func(i int) bool { return rest[i].keys[len(rest[i].keys)-1] >= key })
		if c.leaves, c.at = rest[i:], 0; i == len(rest) {
			return
		}
	}
	keys := c.leaves[0].keys[c.at:]
	c.at += sort.Search(len(keys), func(i int) bool { return keys[i] >= key })
}

// Edit makes changes to a Map, all of them in a new one. One goroutine uses it.
type Edit[K cmp.Ordered, V any] struct{ m Map[K, V] }

// Edit begins to change the map, which stays as it is.
func (m Map[K, V]) Edit() *Edit[K, V] {
	m.leaves = slices.Clone(m.leaves)
	return &Edit[K, V]{m}
}

// Done returns the changed map. The Edit must not be used any more.
func (e *Edit[K, V]) Done() Map[K, V] {
	m := e.m
	e.m = Map[K, V]{} // the leaves that it made refer to it, and must not keep this version
	return m
}

// Get returns the value of a key as it is now.
func (e *Edit[K, V]) Get(key K) (v V, ok bool) { return e.m.Get(key) }

// find returns the leaf where a key is or would be, and its place in it.
func (e *Edit[K, V]) find(key K) (i, j int, found bool) {
	i = max(0, sort.Search(len(e.m.leaves), func(i int) bool { return e.m.leaves[i].keys[0] > key })-1)
	j, found = slices.BinarySearch(e.m.leaves[i].keys, key)
	return i, j, found
}

// own returns a leaf that may be changed, with room for more entries.
func (e *Edit[K, V]) own(i, more int) *leaf[K, V] {
	l := e.m.leaves[i]
	if n := len(l.keys); l.owner != e || cap(l.keys) < n+more {
		own := &leaf[K, V]{owner: e, keys: make([]K, n, n+more), values: make([]V, n, n+more)}
		copy(own.keys, l.keys)
		copy(own.values, l.values)
		l, e.m.leaves[i] = own, own
	}
	return l
}

// Set sets the value of a key.
func (e *Edit[K, V]) Set(key K, v V) {
	if len(e.m.leaves) == 0 {
		e.m = Map[K, V]{[]*leaf[K, V]{{[]K{key}, []V{v}, e}}, 1}
		return
	}
	i, j, found := e.find(key)
	if found {
		e.own(i, 0).values[j] = v
		return
	}
	e.m.len++
	if len(e.m.leaves[i].keys) == maxLeaf {
		e.split(i)
		i, j, _ = e.find(key)
	}
	l := e.m.leaves[i]
	if l.owner != e || len(l.keys) == cap(l.keys) {
		l = e.own(i, min(spare, maxLeaf-len(l.keys)))
	}
	l.keys, l.values = slices.Insert(l.keys, j, key), slices.Insert(l.values, j, v)
}

// split makes two leaves of one.
func (e *Edit[K, V]) split(i int) {
	l := e.m.leaves[i]
	half := len(l.keys) / 2
	part := func(from, to int) *leaf[K, V] {
		return &leaf[K, V]{slices.Clone(l.keys[from:to]), slices.Clone(l.values[from:to]), e}
	}
	e.m.leaves[i] = part(0, half)
	e.m.leaves = slices.Insert(e.m.leaves, i+1, part(half, len(l.keys)))
}

// Delete takes a key out. Without such a key it does nothing.
func (e *Edit[K, V]) Delete(key K) {
	if len(e.m.leaves) == 0 {
		return
	}
	i, j, found := e.find(key)
	if !found {
		return
	}
	e.m.len--
	l := e.own(i, 0)
	l.keys, l.values = slices.Delete(l.keys, j, j+1), slices.Delete(l.values, j, j+1)
	if len(l.keys) < minLeaf {
		e.join(i)
	}
}

// join puts a small leaf to its neighbour, if that has room.
func (e *Edit[K, V]) join(i int) {
	if len(e.m.leaves[i].keys) == 0 {
		e.m.leaves = slices.Delete(e.m.leaves, i, i+1)
		return
	}
	i = max(0, i-1) // the first of the two
	if i+1 >= len(e.m.leaves) {
		return
	}
	a, b := e.m.leaves[i], e.m.leaves[i+1]
	if len(a.keys)+len(b.keys) > maxLeaf/2 {
		return
	}
	e.m.leaves[i] = &leaf[K, V]{slices.Concat(a.keys, b.keys), slices.Concat(a.values, b.values), e}
	e.m.leaves = slices.Delete(e.m.leaves, i+1, i+2)
}
