package stream

import (
	"sync/atomic"
	"time"

	"feedd/internal/histogram"
)

// Delays counts how long items took from their id, which is the time at which
// their commit began, until they were written to readers that waited for them.
// All methods may be called from any goroutine.
type Delays struct {
	counts [delayBuckets]atomic.Uint64
}

// DelayCounts are counts of delays, in microseconds, by their bucket in delayScale.
type DelayCounts [delayBuckets]uint64

const (
	// delayScale has four buckets for each doubling, so that a quantile, the middle
	// of its bucket, is right within an eighth, and all counts are one KiB.
	delayScale histogram.Scale = 2
	// delayBuckets reach to more than an hour.
	delayBuckets = 4 * 32
)

// Add counts the delay of an item that was written at a time.
func (d *Delays) Add(id ID, now time.Time) {
	us := max(now.UnixMicro()-int64(id), 0)
	d.counts[min(delayScale.Bucket(uint64(us)), delayBuckets-1)].Add(1)
}

// Counts returns what was counted so far.
func (d *Delays) Counts() (c DelayCounts) {
	for i := range c {
		c[i] = d.counts[i].Load()
	}
	return c
}

// Since returns what was counted after earlier counts.
func (c DelayCounts) Since(earlier DelayCounts) DelayCounts {
	for i := range c {
		c[i] -= earlier[i]
	}
	return c
}

// Quantile returns the delay that the part q, 0 to 1, of all is at most, within
// an eighth; ok is false when nothing was counted.
func (c *DelayCounts) Quantile(q float64) (d time.Duration, ok bool) {
	bucket := histogram.Rank(c[:], q)
	if bucket < 0 {
		return 0, false
	}
	// The middle of the bucket.
	sum := delayScale.Lowest(bucket) + delayScale.Lowest(bucket+1)
	return time.Duration(sum) * time.Microsecond / 2, true
}
