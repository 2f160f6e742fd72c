package stream

import (
	"sync"
	"time"

	"feedd/internal/selector"
)

// Waiter waits for items of a selection. C gets a value after a commit with an
// item of a selected feed. Several commits may give one value, and a value may
// come without an item for this reader. So: register, read up to the head,
// wait, read.
type Waiter struct {
	C        <-chan struct{}
	listener *Listener
}

// Wait registers a waiter for the feeds of the selection; Close ends it.
func (h *Hub) Wait(sel selector.Selection) *Waiter {
	notice := make(chan struct{}, 1)
	l := h.wakes.hold(sel).Listen(func(ID) {
		select {
		case notice <- struct{}{}:
		default: // it has one coming already
		}
	})
	l.AddReaders(1)
	return &Waiter{C: notice, listener: l}
}

// Selection returns what the waiter was registered for. Readers that select the
// same share it, so its memory is needed once.
func (w *Waiter) Selection() selector.Selection { return w.listener.target.sel }

// Close ends the waiter.
func (w *Waiter) Close() {
	w.listener.Close()
	w.listener.target.Release()
}

// Readers returns how many readers select each of the feeds.
func (h *Hub) Readers(feeds []string) []int {
	counts := make([]int, len(feeds))
	seen := make(map[*Listener]int) // the last feed that it was counted for, from 1
	for i, feed := range feeds {
		h.wakes.each(feed, func(l *Listener) {
			if seen[l] <= i {
				seen[l] = i + 1
				counts[i] += int(l.readers.Load())
			}
		})
	}
	return counts
}

// upkeepEvery is how often the hub looks for what it need not hold: a tenth of
// windowAge, so that nothing stays much longer than that.
const upkeepEvery = time.Minute

// waker tells the listeners of items in a goroutine of its own, so that a
// commit does not wait for a walk over all of them (P5).
type waker struct {
	*interest // who waits

	// dirtyMu guards the feeds that were touched since the last walk, and the
	// first item that came to any of them.
	dirtyMu sync.Mutex
	dirty   map[string]struct{}
	first   ID
	kick    chan struct{}

	end  sync.Once
	stop chan struct{}
	done chan struct{}
}

// newWaker starts a waker. It calls upkeep once in upkeepEvery.
func newWaker(upkeep func()) *waker {
	k := &waker{
		interest: newInterest(),
		dirty:    make(map[string]struct{}),
		kick:     make(chan struct{}, 1),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
	}
	go k.run(upkeep)
	return k
}

func (k *waker) close() {
	k.end.Do(func() { close(k.stop) })
	<-k.done
}

// wake notes the feeds of the items; it does not wait.
func (k *waker) wake(items []Item) {
	if len(items) == 0 {
		return
	}
	k.dirtyMu.Lock()
	if len(k.dirty) == 0 {
		k.first = items[0].ID
	}
	for i := range items {
		if i == 0 || items[i].Feed != items[i-1].Feed {
			k.dirty[items[i].Feed] = struct{}{}
		}
	}
	k.dirtyMu.Unlock()
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

func (k *waker) run(upkeep func()) {
	defer close(k.done)
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.stop:
			return
		case <-tick.C:
			upkeep()
			continue
		case <-k.kick:
		}
		k.walkDirty()
	}
}

// walkDirty tells who waits for the feeds that were touched.
func (k *waker) walkDirty() {
	k.dirtyMu.Lock()
	dirty, first := k.dirty, k.first
	k.dirty = make(map[string]struct{})
	k.dirtyMu.Unlock()
	k.walk(dirty, first)
}

// walk tells those first who wait for a feed by its name: patterns may be many.
func (k *waker) walk(dirty map[string]struct{}, first ID) {
	// A listener for several of the feeds is told again, to no harm.
	tell := func(l *Listener) { l.notify(first) }
	for feed := range dirty {
		k.named(feed, tell)
	}
	for feed := range dirty {
		k.patterned(feed, tell)
	}
}
