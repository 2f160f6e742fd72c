package stream

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Delays counts how long items took from their id, which is the time at which
// their commit began, until they were written to readers who waited for them.
// All methods may be called from any goroutine.
type Delays struct {
	counts [delayBuckets]atomic.Uint64
}

// DelayCounts are counts of delays by how long they were: each power of two of
// microseconds has four buckets.
type DelayCounts [delayBuckets]uint64

// delayBuckets reach to more than an hour.
const delayBuckets = 4 * 32

// Add counts the delay of an item that was written at a time.
func (d *Delays) Add(id ID, now time.Time) {
	us := max(now.UnixMicro()-int64(id), 0)
	d.counts[delayBucket(uint64(us))].Add(1)
}

func delayBucket(us uint64) int {
	if us < 4 {
		return int(us)
	}
	power := bits.Len64(us) - 1
	quarter := us >> (power - 2) & 3
	return min(4*(power-1)+int(quarter), delayBuckets-1)
}

// delayFloor returns the shortest delay in a bucket.
func delayFloor(bucket int) time.Duration {
	us := uint64(bucket)
	if bucket >= 4 {
		power, quarter := bucket/4+1, uint64(bucket%4)
		us = (4 + quarter) << (power - 2)
	}
	return time.Duration(us) * time.Microsecond
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
	var all uint64
	for _, n := range c {
		all += n
	}
	if all == 0 {
		return 0, false
	}
	rank := max(uint64(q*float64(all)+0.5), 1)
	for i, n := range c {
		if n >= rank {
			floor, next := delayFloor(i), delayFloor(i+1)
			return (floor + next) / 2, true
		}
		rank -= n
	}
	return delayFloor(delayBuckets), true
}
