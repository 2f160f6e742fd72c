package ordered_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"feedd/internal/ordered"
)

// A map has what was set and not deleted, in order, also when another was made
// of it since.
func TestMap(t *testing.T) {
	type version struct {
		m    ordered.Map[int, int]
		want map[int]int
	}
	rapid.Check(t, func(t *rapid.T) {
		now := version{want: map[int]int{}}
		versions := []version{now}
		keys := rapid.IntRange(0, rapid.SampledFrom([]int{20, 400}).Draw(t, "most"))
		for range rapid.IntRange(1, 6).Draw(t, "edits") {
			e, want := now.m.Edit(), maps.Clone(now.want)
			deletes := rapid.IntRange(0, 3).Draw(t, "deletes") // of four
			for i := range rapid.SampledFrom([]int{1, 5, 300}).Draw(t, "changes") {
				k := keys.Draw(t, "key")
				if i%4 < deletes {
					e.Delete(k)
					delete(want, k)
				} else {
					e.Set(k, i)
					want[k] = i
				}
				if _, ok := e.Get(k); ok != (i%4 >= deletes) {
					t.Fatalf("the edit has %d: %v", k, ok)
				}
			}
			now = version{e.Done(), want}
			versions = append(versions, now)
		}
		for _, v := range versions {
			sorted := slices.Sorted(maps.Keys(v.want))
			got := make(map[int]int)
			var order []int
			for c := v.m.All(); c.Valid(); c.Next() {
				order = append(order, c.Key())
				got[c.Key()] = c.Value()
			}
			if diff := cmp.Diff(sorted, order); diff != "" {
				t.Fatalf("keys (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(v.want, got); diff != "" || v.m.Len() != len(got) {
				t.Fatalf("%d entries (-want +got):\n%s", v.m.Len(), diff)
			}
			forward := v.m.All()
			for k := -1; k < 602; k += 1 + k/8 {
				i, found := slices.BinarySearch(sorted, k)
				if _, ok := v.m.Get(k); ok != found {
					t.Fatalf("Get(%d): %v", k, ok)
				}
				c := v.m.Seek(k)
				forward.Seek(k)
				if c.Valid() != (i < len(sorted)) || forward.Valid() != c.Valid() || c.Valid() && (c.Key() != sorted[i] || forward.Key() != sorted[i]) {
					t.Fatalf("Seek(%d) is not at number %d of %v", k, i, sorted)
				}
				if found {
					i++
				}
				if last, ok := v.m.Last(k); ok != (i > 0) || ok && last != sorted[i-1] {
					t.Fatalf("Last(%d) = %d, %v, among %v", k, last, ok, sorted)
				}
			}
		}
	})
}

// However the entries came and went, leaves that are nearly empty do not stay:
// the list of leaves is copied with each edit.
func TestMapStaysSmall(t *testing.T) {
	var m ordered.Map[int, int]
	for round := range 4 {
		e := m.Edit()
		for k := range 10_000 {
			e.Set(k, k)
		}
		for k := range 10_000 {
			if k%(100+round) != 0 {
				e.Delete(k)
			}
		}
		m = e.Done()
		if leaves, most := m.Leaves(), 2+m.Len()/16; leaves > most {
			t.Errorf("%d entries are in %d leaves, more than %d", m.Len(), leaves, most)
		}
	}
}
