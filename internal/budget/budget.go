// Package budget bounds the memory that many clients use together.
package budget

import (
	"net/netip"
	"sync"
)

// Budget is an amount of bytes that clients take from and give back to. It
// counts; it allocates nothing itself. Its methods may be called at the same
// time.
type Budget struct {
	total int64
	share int64   // of one address; 0: there is no such bound
	whole *Budget // the budget that this is a part of; nil: of none

	mu     sync.Mutex // guards the rest
	used   int64
	byAddr map[netip.Addr]int64 // nil if share is 0
}

// New returns a budget of total bytes, of which one address may have share
// bytes; share 0: all of them. A total of 0 or less is no bound.
func New(total, share int64) *Budget {
	b := &Budget{total: total, share: share}
	if share > 0 {
		b.byAddr = make(map[netip.Addr]int64)
	}
	return b
}

// Part returns a budget of total bytes that is a part of b: what is taken from
// it is taken from b as well, and so given back.
func (b *Budget) Part(total, share int64) *Budget {
	part := New(total, share)
	part.whole = b
	return part
}

// Take takes n bytes for a client at addr, all of them or none. It returns false
// if that is more than the budget, the budget that it is a part of, or the
// address's share allows. The zero Addr (a unix socket has no address) has no
// share.
func (b *Budget) Take(addr netip.Addr, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.total > 0 && b.used+n > b.total {
		return false
	}
	shared := b.byAddr != nil && addr.IsValid()
	if shared && b.byAddr[addr]+n > b.share {
		return false
	}
	if b.whole != nil && !b.whole.Take(addr, n) {
		return false
	}
	if shared {
		b.byAddr[addr] += n
	}
	b.used += n
	return true
}

// Give gives back n bytes that were taken for addr.
func (b *Budget) Give(addr netip.Addr, n int64) {
	b.Leave(addr, n)
	if b.whole != nil {
		b.whole.Give(addr, n)
	}
}

// Leave gives n bytes that were taken for addr back to this part alone. They stay
// taken from the budget that it is a part of, and are to be given back there.
func (b *Budget) Leave(addr netip.Addr, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	if b.byAddr == nil || !addr.IsValid() {
		return
	}
	if b.byAddr[addr] -= n; b.byAddr[addr] == 0 {
		delete(b.byAddr, addr) // or the map would grow with every address ever seen
	}
}

// Used returns how many bytes are taken.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// Total returns how many bytes there are; 0 or less: no bound.
func (b *Budget) Total() int64 { return b.total }
