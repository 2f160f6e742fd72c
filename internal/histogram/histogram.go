package histogram

// Histogram counts durations in fixed buckets: those below 256 ns exactly, the
// rest by their highest eight bits, so that a bucket is at most 1/128 wider than
// its lower bound. It takes 43 KiB whatever it holds. The zero Histogram is
// empty. It is owned by one goroutine.
type Histogram struct {
	counts   [buckets]uint64
	count    uint64
	sum      float64
	min, max int64
}

const (
	// fine makes quantiles at most 1/128 too large: less than what two runs differ.
	fine Scale = 7
	// maxExp is how often values double beyond 256 ns, the end of the exact ones.
	maxExp     = 40
	buckets    = maxExp<<fine + 2<<fine
	maxCounted = 1<<(maxExp+fine+1) - 1 // ns, 78 hours: longer than any run
)

// highest returns the largest value that is counted in a bucket.
func highest(i int) int64 { return int64(fine.Lowest(i+1)) - 1 }

// Record counts v, in ns. What is below 0 counts as 0: clocks of two machines
// may say so.
func (h *Histogram) Record(v int64) {
	v = min(max(v, 0), maxCounted)
	h.counts[fine.Bucket(uint64(v))]++
	if h.count == 0 || v < h.min {
		h.min = v
	}
	h.max = max(h.max, v)
	h.count++
	h.sum += float64(v)
}

// Merge adds what o counted.
func (h *Histogram) Merge(o *Histogram) {
	if o.count == 0 {
		return
	}
	if h.count == 0 || o.min < h.min {
		h.min = o.min
	}
	h.max = max(h.max, o.max)
	h.count += o.count
	h.sum += o.sum
	for i, n := range o.counts {
		h.counts[i] += n
	}
}

// Count returns how many values were recorded.
func (h *Histogram) Count() uint64 { return h.count }

// Max is exact; it is 0 when the histogram is empty.
func (h *Histogram) Max() int64 { return h.max }

// Mean returns the mean, 0 when the histogram is empty.
func (h *Histogram) Mean() float64 {
	if h.count == 0 {
		return 0
	}
	return h.sum / float64(h.count)
}

// Quantile returns the value that a share of q of all values does not exceed:
// the one of rank ceil(q*count), or up to 1/128 more. It is 0 when the
// histogram is empty.
func (h *Histogram) Quantile(q float64) int64 {
	if h.count == 0 {
		return 0
	}
	return max(min(highest(Rank(h.counts[:], q)), h.max), h.min)
}

// Between returns how many values are in buckets whose largest value is in
// [from, to).
func (h *Histogram) Between(from, to int64) (n uint64) {
	for i, c := range h.counts {
		if top := highest(i); c > 0 && from <= top && top < to {
			n += c
		}
	}
	return n
}
