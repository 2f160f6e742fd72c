package publish

import (
	"math"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"feedd/internal/access"
	"feedd/internal/budget"
	"feedd/internal/problem"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

const (
	// anonymousPart: senders without a credential may have one part in 4 of the
	// bodies' memory. That is enough for hundreds of their small items, and
	// leaves three quarters to publishers with a key, whatever strangers do.
	anonymousPart = 4
	// unfinishedPart: bodies of such senders that have not come whole may have
	// one part in 2 of that. A sender can hold these back for long. The other
	// half is for bodies that only wait for their commit, so that a sender that
	// holds many back silences no other.
	unfinishedPart = 2
	// smallBody is how much of a body is not counted while it comes, because its
	// connection takes more than that anyway.
	smallBody = 4 << 10
	// publishCost is what a publish takes beside its body and drafts once the
	// body has come: its goroutine, its request, its place in the store's queue.
	// It must be counted, because the client may have closed its connection, and
	// then the number of connections does not bound it.
	publishCost = 16 << 10
	// tidyPart: if one part in 4 of the memory was in use, that was a storm, and
	// the operating system gets the memory back soon.
	tidyPart = 4
	// tidyAfter is how long it must then be quiet: the collection takes CPU, and
	// a storm often comes in several waves.
	tidyAfter = 5 * time.Second
)

// Bodies is the memory for what is published, from the first byte of each body
// until its commit has been answered, by HTTP and by WebSocket.
type Bodies struct {
	pause, refused time.Duration // see NewBodies
	all            *budget.Budget
	anonymous      *budget.Budget // a part of all
	unfinished     *budget.Budget // a part of anonymous
	busy           atomic.Bool    // much was in use, and was not tidied up yet
}

// NewBodies returns memory of total bytes, 0: without a bound. A body may pause
// for pause, and the rest of a refused one may take refused (see
// problem.RefusedBody).
func NewBodies(total int64, pause, refused time.Duration) *Bodies {
	b := &Bodies{all: budget.New(total, 0), pause: pause, refused: refused}
	b.anonymous = b.all.Part(total/anonymousPart, 0)
	b.unfinished = b.anonymous.Part(total/anonymousPart/unfinishedPart, 0)
	return b
}

// Hold is the part of that memory that one body has. Its zero value holds
// nothing.
type Hold struct {
	bodies *Bodies
	from   *budget.Budget
	n      int64
}

// Hold returns an empty hold for the body of a request. It must be given back.
func (b *Bodies) Hold(r *http.Request) Hold {
	if access.Principal(r).Anonymous() {
		return Hold{bodies: b, from: b.unfinished}
	}
	return Hold{bodies: b, from: b.all}
}

// Used returns how many bytes are in use, and Total how many there may be.
func (b *Bodies) Used() int64  { return b.all.Used() }
func (b *Bodies) Total() int64 { return b.all.Total() }

// need raises the hold to n bytes, if it has less.
func (h *Hold) need(n int64) *problem.Problem {
	more := n - h.n
	if more <= 0 {
		return nil
	}
	if !h.from.Take(netip.Addr{}, more) {
		if most := h.from.Total(); n > most { // to come back would not help
			p := problem.TooLarge.Hit("max_bodies_bytes")
			return p.With("it takes %d bytes of memory, of which there may be %d", n, most)
		}
		p := problem.TooManyBodies.Hit("max_bodies_bytes")
		return p.With("other publishes have the memory for it")
	}
	h.n = n
	if more > smallBody && h.bodies.all.Used() > h.bodies.much() {
		h.bodies.busy.Store(true)
	}
	return nil
}

// Grow returns b with a capacity of size bytes.
func (h *Hold) Grow(b []byte, size int) ([]byte, *problem.Problem) {
	if size > smallBody {
		if p := h.need(int64(size)); p != nil {
			return nil, p
		}
	}
	return append(make([]byte, 0, size), b...), nil
}

// parse makes the drafts of a body that came whole. Before that it takes the
// memory that parsing may need; afterwards it gives back what was not needed.
func (h *Hold) parse(kind *bodyKind, body []byte, maxItems int) ([]stream.Draft, error) {
	// The body is not used any more afterwards. It counts all the same until the
	// publish is answered, because the collector needs about as much memory again
	// as is in use.
	fixed := publishCost + int64(cap(body))
	if p := h.whole(fixed + kind.cost(body, maxItems)); p != nil {
		return nil, p
	}
	drafts, err := kind.parse(body, maxItems)
	if err != nil {
		return nil, err
	}
	h.shrink(fixed + wire.DraftsCost(drafts))
	return drafts, nil
}

// whole is need for a body that has come whole.
func (h *Hold) whole(n int64) *problem.Problem {
	if h.from == h.bodies.unfinished {
		h.bodies.unfinished.Leave(netip.Addr{}, h.n)
		h.from = h.bodies.anonymous
	}
	return h.need(n)
}

// shrink gives back what is more than n bytes.
func (h *Hold) shrink(n int64) {
	if less := h.n - n; less > 0 {
		h.n = n
		h.from.Give(netip.Addr{}, less)
	}
}

// Give gives everything back.
func (h *Hold) Give() {
	large := h.n > smallBody+publishCost
	h.shrink(0)
	if large {
		h.bodies.tidy()
	}
}

// until gives everything back when done is closed. The hold is empty at once.
func (h *Hold) until(done <-chan struct{}) {
	rest := *h
	h.n = 0
	go func() {
		<-done
		rest.Give()
	}()
}

// much returns more than how many bytes are a storm.
func (b *Bodies) much() int64 {
	if b.all.Total() <= 0 {
		return math.MaxInt64
	}
	return b.all.Total() / tidyPart
}

func (b *Bodies) quiet() bool { return b.all.Used() <= b.much()/tidyPart }

// tidy gives the memory of a storm of large bodies back to the operating system
// when the storm is over. The runtime would do so minutes later, because it
// collects when memory is allocated, and after the storm hardly any is.
func (b *Bodies) tidy() {
	if !b.busy.Load() || !b.quiet() || !b.busy.CompareAndSwap(true, false) {
		return
	}
	time.AfterFunc(tidyAfter, func() {
		if b.quiet() {
			debug.FreeOSMemory()
		} else {
			b.busy.Store(true)
		}
	})
}
