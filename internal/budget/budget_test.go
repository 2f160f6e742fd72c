package budget_test

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"feedd/internal/budget"
)

// TestBudget states what must hold of any sequence of takes and gives: what is
// used is the sum of what was taken and not given back, a take is refused
// exactly where it would go beyond the total or the share of its address, and a
// refused take changes nothing.
func TestBudget(t *testing.T) {
	addrs := []netip.Addr{{}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::")}
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Int64Range(0, 100).Draw(t, "total")
		share := rapid.Int64Range(0, 60).Draw(t, "share")
		b := budget.New(total, share)
		type hold struct {
			addr netip.Addr
			n    int64
		}
		var held []hold
		sum := func(of func(hold) bool) (n int64) {
			for _, h := range held {
				if of(h) {
					n += h.n
				}
			}
			return n
		}
		for range rapid.IntRange(0, 50).Draw(t, "steps") {
			if len(held) > 0 && rapid.Bool().Draw(t, "give") {
				i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
				b.Give(held[i].addr, held[i].n)
				held = append(held[:i], held[i+1:]...)
			} else {
				h := hold{rapid.SampledFrom(addrs).Draw(t, "addr"), rapid.Int64Range(0, 40).Draw(t, "n")}
				all := sum(func(hold) bool { return true })
				own := sum(func(o hold) bool { return o.addr == h.addr })
				fits := (total == 0 || all+h.n <= total) && (share == 0 || !h.addr.IsValid() || own+h.n <= share)
				if got := b.Take(h.addr, h.n); got != fits {
					t.Fatalf("Take(%v, %d) with %d of %d used, %d of %d by the address: got %v", h.addr, h.n, all, total, own, share, got)
				}
				if fits {
					held = append(held, h)
				}
			}
			if got, want := b.Used(), sum(func(hold) bool { return true }); got != want {
				t.Fatalf("Used() = %d, want %d", got, want)
			}
		}
	})
}
