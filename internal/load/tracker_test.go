package load

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestAccountIsExact compares with an account that keeps everything.
func TestAccountIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		last := rapid.Uint64Range(0, 20).Draw(t, "last")
		came := rapid.SliceOf(rapid.Uint64Range(1, max(1, last))).Draw(t, "came")
		excused := rapid.SliceOfDistinct(rapid.Uint64Range(1, max(1, last)), rapid.ID).Draw(t, "excused")
		slices.Sort(excused)
		if last == 0 {
			came, excused = nil, nil
		}
		tr := tracker{next: []uint64{7, 1}}
		seen := make(map[uint64]bool)
		var highest, late, twice uint64
		for _, seq := range came {
			first := tr.note(1, seq)
			if first == seen[seq] {
				t.Fatalf("note(%d) = %v", seq, first)
			}
			switch {
			case seen[seq]:
				twice++
			case seq < highest:
				late++
			}
			seen[seq] = true
			highest = max(highest, seq)
		}
		var lost uint64
		for seq := uint64(1); seq <= last; seq++ {
			if !seen[seq] && !slices.Contains(excused, seq) {
				lost++
			}
		}
		if got := tr.lost(1, last, excused); got != lost || tr.late != late || tr.twice != twice || tr.got != uint64(len(seen)) {
			t.Fatalf("lost %d, late %d, twice %d, got %d; want %d, %d, %d, %d",
				got, tr.late, tr.twice, tr.got, lost, late, twice, len(seen))
		}
		if tr.lost(0, 6, nil) != 0 || tr.lost(0, 8, nil) != 2 {
			t.Fatal("the other publisher's account was touched")
		}
	})
}

func TestTheFirstItemOfAnUnknownPublisherMayBeAny(t *testing.T) {
	var tr tracker
	tr.grow(2)
	for _, seq := range []uint64{5, 6, 8} {
		tr.note(2, seq)
	}
	if lost := tr.lost(2, 8, nil); lost != 1 || tr.late+tr.twice != 0 {
		t.Errorf("lost %d, late %d, twice %d; want 1, 0, 0", lost, tr.late, tr.twice)
	}
}

func TestTraceTellsOrdersOfPublishersApart(t *testing.T) {
	a, b := tracker{next: []uint64{1, 1}}, tracker{next: []uint64{1, 1}}
	a.note(0, 1)
	a.note(1, 1)
	b.note(1, 1)
	b.note(0, 1)
	if a.trace == b.trace {
		t.Error("two orders have one trace")
	}
}
