package stream

import "sync"

// Waiter waits for items of a selection. C gets a value after a commit that
// touched it; several commits may be one value, and a value may come without
// an item for this reader. So: register, read up to the head, wait, read.
type Waiter struct {
	C      <-chan struct{}
	notice chan struct{}
	wakes  *waker
	names  []string
	sel    Selection
	plain  bool
}

// Watch registers a waiter for the feeds of the selection; Close ends it.
func (h *Hub) Watch(sel Selection) *Waiter {
	w := &Waiter{notice: make(chan struct{}, 1), wakes: h.wakes, sel: sel}
	w.C = w.notice
	w.names, w.plain = sel.Names()
	h.wakes.add(w)
	return w
}

// Close ends the waiter.
func (w *Waiter) Close() { w.wakes.remove(w) }

func (w *Waiter) wake() {
	select {
	case w.notice <- struct{}{}:
	default: // it has one coming already
	}
}

// Readers returns how many waiters select each of the feeds.
func (h *Hub) Readers(feeds []string) []int {
	counts := make([]int, len(feeds))
	k := h.wakes
	k.mu.Lock()
	for i, feed := range feeds {
		counts[i] = len(k.byFeed[feed])
	}
	patterns := make([]Selection, 0, len(k.byPattern))
	for w := range k.byPattern {
		patterns = append(patterns, w.sel)
	}
	k.mu.Unlock()
	// Without the lock: nobody is woken later because somebody counts.
	for i, feed := range feeds {
		for _, sel := range patterns {
			if sel.Has(feed) {
				counts[i]++
			}
		}
	}
	return counts
}

// waker wakes waiters in a goroutine of its own, so that a commit does not
// wait for a walk over all of them (P5).
type waker struct {
	// mu guards who waits. It is held for a walk over the waiters of the
	// touched feeds; nothing blocks meanwhile.
	mu        sync.Mutex
	byFeed    map[string]map[*Waiter]struct{}
	byPattern map[*Waiter]struct{}

	// dirtyMu guards the feeds that were touched since the last walk.
	dirtyMu sync.Mutex
	dirty   map[string]struct{}
	kick    chan struct{}

	stop chan struct{}
	done chan struct{}
}

func newWaker() *waker {
	k := &waker{
		byFeed:    make(map[string]map[*Waiter]struct{}),
		byPattern: make(map[*Waiter]struct{}),
		dirty:     make(map[string]struct{}),
		kick:      make(chan struct{}, 1),
		stop:      make(chan struct{}),
		done:      make(chan struct{}),
	}
	go k.run()
	return k
}

func (k *waker) close() {
	k.mu.Lock()
	select {
	case <-k.stop:
	default:
		close(k.stop)
	}
	k.mu.Unlock()
	<-k.done
}

func (k *waker) add(w *Waiter) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !w.plain {
		k.byPattern[w] = struct{}{}
		return
	}
	for _, name := range w.names {
		if k.byFeed[name] == nil {
			k.byFeed[name] = make(map[*Waiter]struct{})
		}
		k.byFeed[name][w] = struct{}{}
	}
}

func (k *waker) remove(w *Waiter) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byPattern, w)
	for _, name := range w.names {
		delete(k.byFeed[name], w)
		if len(k.byFeed[name]) == 0 {
			delete(k.byFeed, name)
		}
	}
}

// wake notes the feeds of the items; it does not wait.
func (k *waker) wake(items []Item) {
	if len(items) == 0 {
		return
	}
	k.dirtyMu.Lock()
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

func (k *waker) run() {
	defer close(k.done)
	for {
		select {
		case <-k.stop:
			return
		case <-k.kick:
		}
		k.dirtyMu.Lock()
		dirty := k.dirty
		k.dirty = make(map[string]struct{})
		k.dirtyMu.Unlock()
		k.walk(dirty)
	}
}

func (k *waker) walk(dirty map[string]struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for feed := range dirty {
		for w := range k.byFeed[feed] {
			w.wake()
		}
	}
	for w := range k.byPattern {
		for feed := range dirty {
			if w.sel.Has(feed) {
				w.wake()
				break
			}
		}
	}
}
