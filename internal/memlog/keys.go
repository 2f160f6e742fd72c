package memlog

import (
	"time"

	"feedd/internal/stream"
)

// keyTable remembers idempotency keys with the receipts of their batches, within
// bounds on their number and age. It is guarded by Log.mu.
type keyTable struct {
	most  int           // 0: no bound
	age   time.Duration // 0: no bound
	byKey map[stream.Digest]keyed
	queue []usedKey // by time of use, the oldest first
}

type keyed struct {
	content stream.Digest
	first   stream.ID
	count   int
}

type usedKey struct {
	key stream.Digest
	at  time.Time
}

func newKeyTable(most int, age time.Duration) keyTable {
	return keyTable{most: most, age: age, byKey: make(map[stream.Digest]keyed)}
}

func (t *keyTable) add(key stream.Digest, k keyed, now time.Time) {
	t.byKey[key] = k
	t.queue = append(t.queue, usedKey{key, now})
}

// stale returns how many of the oldest keys are too many or too old at now.
func (t *keyTable) stale(now time.Time) int {
	n := 0
	for n < len(t.queue) {
		many := t.most > 0 && len(t.queue)-n > t.most
		old := t.age > 0 && now.Sub(t.queue[n].at) > t.age
		if !many && !old {
			break
		}
		n++
	}
	return n
}

// forget drops the n oldest keys.
func (t *keyTable) forget(n int) {
	for _, u := range t.queue[:n] {
		delete(t.byKey, u.key)
	}
	t.queue = t.queue[n:]
}
