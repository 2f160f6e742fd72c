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
	// anonymousPart is the part of the bodies' memory, one of so many, that senders
	// without a credential may have: enough for hundreds of their small items, and
	// publishers with a key have three quarters, whatever the others do.
	anonymousPart = 4
	// unfinishedPart is the part of that for bodies that have not come whole. A
	// sender can make these last; the rest is for bodies that only wait for their
	// commit, so that a sender that holds many back silences nobody.
	unfinishedPart = 2
	// smallBody is how much of a body is not counted while it comes: the
	// connection that it comes on takes more than that anyhow.
	smallBody = 4 << 10
	// publishCost is what a publish takes beside its body and drafts from then on:
	// its goroutine, its request, its place in the store's queue. The client may
	// have closed the connection by then, which then bounds nothing.
	publishCost = 16 << 10
	// tidyPart is how much memory, as a part of the whole, must have been
	// in use that the operating system gets it back soon.
	tidyPart = 4
	// tidyAfter is how long it must have been quiet before.
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

// NewBodies returns memory of so many bytes, 0: any number; a body may pause for
// so long, and the rest of a refused one take so long (see problem.RefusedBody).
func NewBodies(total int64, pause, refused time.Duration) *Bodies {
	b := &Bodies{all: budget.New(total, 0), pause: pause, refused: refused}
	b.anonymous = b.all.Part(total/anonymousPart, 0)
	b.unfinished = b.anonymous.Part(total/anonymousPart/unfinishedPart, 0)
	return b
}

// Hold is what one body has of that memory. Its zero value holds nothing.
type Hold struct {
	bodies *Bodies
	from   *budget.Budget
	n      int64
}

// Hold returns the hold of a body that the sender of the request sends. It is
// empty, and must be given back.
func (b *Bodies) Hold(r *http.Request) Hold {
	if access.Principal(r).Anonymous() {
		return Hold{bodies: b, from: b.unfinished}
	}
	return Hold{bodies: b, from: b.all}
}

// Used returns how many bytes are in use, and Total how many there may be.
func (b *Bodies) Used() int64  { return b.all.Used() }
func (b *Bodies) Total() int64 { return b.all.Total() }

// need makes the hold n bytes, if it is less.
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

// parse makes the drafts of a body that came whole. It takes what that costs
// before it does so, and then gives back what it did not need.
func (h *Hold) parse(kind *bodyKind, body []byte, maxItems int) ([]stream.Draft, error) {
	// The body is not used any more afterwards, but it counts until the publish
	// is answered: the collector needs about as much beside what is in use.
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

// whole is need, for a body that has come.
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
// when that is over. The runtime would do so minutes later: it collects by what
// is allocated, and nothing is then.
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
