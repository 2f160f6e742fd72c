package subscribe

import (
	"net/http"
	"net/netip"
	"sync"

	"feedd/internal/budget"
	"feedd/internal/problem"
	"feedd/internal/selector"
)

// How many bytes a subscriber may take without being charged: max_subscribers
// bounds these already. So a reader with an ordinary selection is not refused
// for what others take.
const (
	// freeSelection is for some feeds with names of ordinary length.
	freeSelection = 1 << 10
	// freeRequest is for a request that a goroutine keeps: an ordinary address,
	// and headers with some cookies.
	freeRequest = 8 << 10
)

// selections charge subscribers for the memory that they take, before anything
// is built for them.
type selections struct {
	budget *budget.Budget

	mu   sync.Mutex // guards held
	held map[selector.Key]*heldSelection
}

// heldSelection is a selection that costs more than freeSelection. Readers that
// select the same share its memory. The address of its first reader is charged
// for it until the last one leaves.
type heldSelection struct {
	addr    netip.Addr
	cost    int64
	readers int
}

func newSelections(total, perIP int64) *selections {
	return &selections{budget: budget.New(total, perIP), held: make(map[selector.Key]*heldSelection)}
}

// charge takes from the budget what a subscriber needs; request is what it keeps
// beside its selection. It returns nil for one that costs nothing, or what gives
// it back.
func (ss *selections) charge(addr netip.Addr, sel selector.Selection, request int64) (giveBack func(), refused *problem.Problem) {
	cost := sel.Cost() - freeSelection
	request = max(0, request-freeRequest)
	if cost <= 0 && request == 0 {
		return nil, nil
	}
	if request > 0 && !ss.budget.Take(addr, request) {
		return nil, ss.full(sel)
	}
	key := sel.Key()
	if cost > 0 && !ss.hold(addr, key, cost) {
		ss.budget.Give(addr, request)
		return nil, ss.full(sel)
	}
	return func() {
		if cost > 0 {
			ss.drop(key)
		}
		if request > 0 {
			ss.budget.Give(addr, request)
		}
	}, nil
}

// full says that there is no room for a selection.
func (ss *selections) full(sel selector.Selection) *problem.Problem {
	limit := "max_selection_bytes_per_ip"
	if total := ss.budget.Total(); total > 0 && ss.budget.Used()+sel.Cost() > total {
		limit = "max_selection_bytes"
	}
	return problem.SelectionsFull.Hit(limit).With("this one takes %d bytes, more than is left of %s; fewer or shorter terms take less", sel.Cost(), limit)
}

func (ss *selections) hold(addr netip.Addr, key selector.Key, cost int64) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	h := ss.held[key]
	if h == nil {
		if !ss.budget.Take(addr, cost) {
			return false
		}
		h = &heldSelection{addr: addr, cost: cost}
		ss.held[key] = h
	}
	h.readers++
	return true
}

func (ss *selections) drop(key selector.Key) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	h := ss.held[key]
	if h.readers--; h.readers == 0 {
		delete(ss.held, key)
		ss.budget.Give(h.addr, h.cost)
	}
}

// requestSize is about how many bytes a request takes as long as its handler
// runs: its address, in parts and as parsed, and its headers.
func requestSize(r *http.Request) int64 {
	n := 3 * len(r.RequestURI)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return int64(n)
}
