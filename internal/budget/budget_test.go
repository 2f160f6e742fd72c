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

// TestPart states what must hold of a part and its whole: what the part has is
// taken from both or from neither, and what leaves the part stays with the whole.
func TestPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total, most := rapid.Int64Range(1, 100).Draw(t, "total"), rapid.Int64Range(1, 100).Draw(t, "part")
		whole := budget.New(total, 0)
		part := whole.Part(most, 0)
		var inPart, beside int64 // what the part has, and what the whole has beside it
		for range rapid.IntRange(0, 50).Draw(t, "steps") {
			n := rapid.Int64Range(0, 40).Draw(t, "n")
			switch rapid.SampledFrom([]string{"take", "take from the whole", "give", "give to the whole", "leave"}).Draw(t, "step") {
			case "take":
				fits := inPart+n <= most && inPart+beside+n <= total
				if got := part.Take(netip.Addr{}, n); got != fits {
					t.Fatalf("Take(%d) with %d in the part of %d and %d beside it, of %d: got %v", n, inPart, most, beside, total, got)
				}
				if fits {
					inPart += n
				}
			case "take from the whole":
				if whole.Take(netip.Addr{}, n) {
					beside += n
				}
			case "give":
				n = min(n, inPart)
				part.Give(netip.Addr{}, n)
				inPart -= n
			case "give to the whole":
				n = min(n, beside)
				whole.Give(netip.Addr{}, n)
				beside -= n
			case "leave":
				n = min(n, inPart)
				part.Leave(netip.Addr{}, n)
				inPart, beside = inPart-n, beside+n
			}
			if part.Used() != inPart || whole.Used() != inPart+beside {
				t.Fatalf("the part has %d and the whole %d, want %d and %d", part.Used(), whole.Used(), inPart, inPart+beside)
			}
		}
	})
}
