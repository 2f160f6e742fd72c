package stream_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"feedd/internal/stream"
)

// The quantile of the counts is within an eighth of that of the delays, give or
// take a microsecond.
func TestDelays_QuantilesAreClose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.UnixMicro(1 << 50)
		us := rapid.SliceOfN(rapid.Int64Range(0, 1<<31), 1, 200).Draw(t, "delays in us")
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		var d stream.Delays
		for _, v := range us {
			d.Add(stream.ID(now.UnixMicro()-v), now)
		}
		counts := d.Counts()
		got, ok := counts.Quantile(q)
		slices.Sort(us)
		rank := max(int(math.Ceil(q*float64(len(us)))), 1)
		want := float64(us[rank-1])
		if g := float64(got) / 1000; !ok || g < want*7/8-1 || g > want*9/8+1 {
			t.Fatalf("the %g quantile is %g us, not %g (%t)", q, g, want, ok)
		}
	})
}

func TestDelays_OfAnInterval(t *testing.T) {
	var d stream.Delays
	now := time.UnixMicro(1 << 50)
	d.Add(stream.ID(now.UnixMicro()-1_000_000), now)
	before := d.Counts()
	none := d.Counts().Since(before)
	if _, ok := none.Quantile(.5); ok {
		t.Error("an interval without deliveries has a quantile")
	}
	d.Add(stream.ID(now.UnixMicro()+5), now) // ids of one commit may be ahead of the clock
	since := d.Counts().Since(before)
	if got, ok := since.Quantile(.99); !ok || got > time.Microsecond {
		t.Errorf("the delay is %s, %t", got, ok)
	}
	d.Add(1, now)
	if got, ok := since.Quantile(1); !ok || got > time.Microsecond {
		t.Errorf("the counts of an interval changed: %s", got)
	}
}
