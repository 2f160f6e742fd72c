package api

import (
	"sync"
	"time"
)

// kept holds a few values for a short while.
type kept[K comparable, V any] struct {
	most int

	mu sync.Mutex // guards by
	by map[K]keptValue[V]
}

type keptValue[V any] struct {
	v     V
	until time.Time
}

func (k *kept[K, V]) get(key K) (v V, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.by[key]
	if !ok || time.Now().After(e.until) {
		return v, false
	}
	return e.v, true
}

// put keeps a value.
func (k *kept[K, V]) put(key K, v V) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dropLocked(time.Now())
	if k.by == nil {
		k.by = make(map[K]keptValue[V])
	}
	if len(k.by) >= k.most {
		for other := range k.by { // any one
			delete(k.by, other)
			break
		}
	}
	k.by[key] = keptValue[V]{v, time.Now().Add(keptFor)}
	time.AfterFunc(keptFor+time.Millisecond, func() { // the memory is not kept for longer
		k.mu.Lock()
		defer k.mu.Unlock()
		k.dropLocked(time.Now())
	})
}

func (k *kept[K, V]) dropLocked(now time.Time) {
	for key, e := range k.by {
		if now.After(e.until) {
			delete(k.by, key)
		}
	}
}
