package memlog

import (
	"container/heap"
	"time"
)

// ttlHeap holds the entries that run out by themselves, the first to do so on
// top.
type ttlHeap []*entry

func (h *ttlHeap) add(e *entry) { heap.Push(h, e) }

// remove takes an entry out, if it is in.
func (h *ttlHeap) remove(e *entry) {
	if e.ttlSlot >= 0 {
		heap.Remove(h, e.ttlSlot)
	}
}

// due reports whether the first one has run out at now.
func (h ttlHeap) due(now time.Time) bool { return len(h) > 0 && h[0].item.Expired(now) }

// Len, Less, Swap, Push and Pop implement [heap.Interface].
func (h ttlHeap) Len() int           { return len(h) }
func (h ttlHeap) Less(i, j int) bool { return h[i].item.Expires.Before(h[j].item.Expires) }
func (h ttlHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].ttlSlot, h[j].ttlSlot = i, j
}

func (h *ttlHeap) Push(x any) {
	e := x.(*entry)
	e.ttlSlot = len(*h)
	*h = append(*h, e)
}

func (h *ttlHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	e.ttlSlot = -1
	return e
}
