package load

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
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
		h, rest := new(Histogram), new(Histogram)
		for i, v := range list {
			if i < cut {
				h.Record(v)
			} else {
				rest.Record(v)
			}
		}
		h.Merge(rest)
		slices.Sort(list)
		if h.Count() != uint64(len(list)) || h.Min() != list[0] || h.Max() != list[len(list)-1] {
			t.Fatalf("count %d, min %d, max %d of %v", h.Count(), h.Min(), h.Max(), list)
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
	if bucket(maxCounted) != buckets-1 {
		t.Fatalf("the largest value is in bucket %d of %d", bucket(maxCounted), buckets)
	}
	for i := range buckets {
		if top := highest(i); bucket(top) != i || top < maxCounted && bucket(top+1) != i+1 {
			t.Fatalf("bucket %d ends at %d, which is in bucket %d", i, top, bucket(top))
		}
	}
}

func TestValuesOutOfRangeAreCountedAtItsEnds(t *testing.T) {
	h := new(Histogram)
	h.Record(-5)
	h.Record(math.MaxInt64)
	if h.Min() != 0 || h.Max() != maxCounted || h.Count() != 2 {
		t.Errorf("min %d, max %d, count %d", h.Min(), h.Max(), h.Count())
	}
}

func TestAnEmptyHistogramSaysZero(t *testing.T) {
	h := new(Histogram)
	h.Merge(new(Histogram))
	if h.Quantile(0.5) != 0 || h.Mean() != 0 || len(barsOf(h)) != 0 {
		t.Error("it says something else")
	}
}

func TestBarsCountEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := new(Histogram)
		for _, v := range drawDurations(t) {
			h.Record(v)
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
