package load

import (
	"testing"

	"pgregory.net/rapid"

	"feedd/internal/histogram"
)

func TestBarsCountEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := new(histogram.Histogram)
		for range rapid.IntRange(1, 200).Draw(t, "durations") {
			h.Record(rapid.Int64Range(0, 1<<rapid.IntRange(1, 46).Draw(t, "bits")).Draw(t, "ns"))
		}
		var sum uint64
		bars := barsOf(h)
		for i, b := range bars {
			sum += b.Count
			if i > 0 && b.From != bars[i-1].To {
				t.Fatalf("a hole between %v and %v", bars[i-1], b)
			}
		}
		if sum != h.Count() || bars[0].Count == 0 || bars[len(bars)-1].Count == 0 {
			t.Fatalf("%v for %d values", bars, h.Count())
		}
	})
}

func TestAnEmptyHistogramHasNoBars(t *testing.T) {
	if bars := barsOf(new(histogram.Histogram)); len(bars) != 0 {
		t.Errorf("%v", bars)
	}
}
