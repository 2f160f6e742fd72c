package subscribe

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"feedd/internal/stream"
)

// register is the list of the subscribers that have a goroutine. Those in the
// shards are in the shards' own.
type register struct {
	mu   sync.Mutex // guards the rest
	last int
	open map[int]*row
}

// row is one of them.
type row struct {
	no       int
	hub      *stream.Hub
	is       Row // as at the beginning
	position atomic.Int64
	parked   atomic.Bool
	life     context.Context // the subscriber must end with it
	end      context.CancelFunc
}

func (rg *register) enter(r *http.Request, sub Subscription) *row {
	l := &row{hub: sub.Hub}
	var enc *stream.Encoding // nil for a long poll
	if sub.Encoder != nil {
		enc = &sub.Encoder.Encoding
	}
	parent := sub.Lease
	if parent == nil {
		parent = context.Background()
	}
	l.life, l.end = context.WithCancel(parent)
	rg.mu.Lock()
	defer rg.mu.Unlock()
	rg.last++
	l.no = rg.last
	l.is = Row{
		ID: fmt.Sprintf("g%d", l.no), Transport: transportOf(enc), Selector: sub.Selection.String(),
		Since: time.Now().UTC().Truncate(time.Millisecond),
	}
	if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		l.is.Address = addr.String()
	}
	if rg.open == nil {
		rg.open = make(map[int]*row)
	}
	rg.open[l.no] = l
	return l
}

// stands notes where the subscriber is, and whether it has everything.
func (l *row) stands(at stream.ID, parked bool) {
	l.position.Store(int64(at))
	l.parked.Store(parked)
}

func (rg *register) leave(l *row) {
	l.end()
	rg.mu.Lock()
	defer rg.mu.Unlock()
	delete(rg.open, l.no)
}

// rows returns the state of those that are wanted, the oldest first.
func (rg *register) rows(wanted func(addr, selector string) bool) (rows []Row) {
	rg.mu.Lock()
	defer rg.mu.Unlock()
	for _, no := range slices.Sorted(maps.Keys(rg.open)) {
		l := rg.open[no]
		row := l.is
		if !wanted(row.Address, row.Selector) {
			continue
		}
		row.State = catchingUp
		if l.parked.Load() {
			row.State = parked
		}
		row.stand(stream.ID(l.position.Load()), l.hub.Head())
		rows = append(rows, row)
	}
	return rows
}

func (rg *register) cut(id string) bool {
	rg.mu.Lock()
	defer rg.mu.Unlock()
	for _, l := range rg.open {
		if l.is.ID == id {
			l.end()
			return true
		}
	}
	return false
}

// cutThose cuts all subscribers that which selects, by their row as at the
// beginning.
func (rg *register) cutThose(which func(row *Row) bool) {
	rg.mu.Lock()
	defer rg.mu.Unlock()
	for _, l := range rg.open {
		if which(&l.is) {
			l.end()
		}
	}
}
