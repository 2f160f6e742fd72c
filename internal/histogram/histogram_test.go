package histogram_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"feedd/internal/histogram"
)

// drawDurations draws durations of every order of magnitude.
func drawDurations(t *rapid.T) []int64 {
	one := rapid.Custom(func(t *rapid.T) int64 {
		return rapid.Int64Range(0, 1<<rapid.IntRange(1, 46).Draw(t, "bits")).Draw(t, "ns")
	})
	return rapid.SliceOfN(one, 1, 200).Draw(t, "durations")
}

func TestQuantilesAreExactUpToOneInOneHundredAndTwentyEight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawDurations(t)
		cut := rapid.IntRange(0, len(list)).Draw(t, "cut")
		h, rest := new(histogram.Histogram), new(histogram.Histogram)
		for i, v := range list {
			if i < cut {
				h.Record(v)
			} else {
				rest.Record(v)
			}
		}
		h.Merge(rest)
		slices.Sort(list)
		if h.Count() != uint64(len(list)) || h.Max() != list[len(list)-1] {
			t.Fatalf("count %d, max %d of %v", h.Count(), h.Max(), list)
		}
		for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 1} {
			exact := list[max(0, int(math.Ceil(q*float64(len(list))))-1)]
			if got := h.Quantile(q); got < exact || got > exact+exact/128 {
				t.Fatalf("quantile %v is %d, exactly %d", q, got, exact)
			}
		}
	})
}

func TestEveryValueHasItsBucket(t *testing.T) {
	for _, scale := range []histogram.Scale{2, 7} {
		for i := range 40 << scale {
			low, next := scale.Lowest(i), scale.Lowest(i+1)
			if scale.Bucket(low) != i || scale.Bucket(next-1) != i || scale.Bucket(next) != i+1 {
				t.Fatalf("bucket %d of scale %d is from %d to %d, which are in buckets %d and %d", i, scale, low, next-1, scale.Bucket(low), scale.Bucket(next-1))
			}
			if next-low > max(1, low>>scale) {
				t.Fatalf("bucket %d of scale %d, from %d, is %d wide", i, scale, low, next-low)
			}
		}
	}
}

func TestValuesOutOfRangeAreCountedAtItsEnds(t *testing.T) {
	h := new(histogram.Histogram)
	h.Record(-5)
	h.Record(math.MaxInt64)
	if h.Quantile(0) != 0 || h.Max() != 1<<48-1 || h.Count() != 2 {
		t.Errorf("least %d, max %d, count %d", h.Quantile(0), h.Max(), h.Count())
	}
}

func TestAnEmptyHistogramSaysZero(t *testing.T) {
	h := new(histogram.Histogram)
	h.Merge(new(histogram.Histogram))
	if h.Quantile(0.5) != 0 || h.Mean() != 0 {
		t.Error("it says something else")
	}
}
