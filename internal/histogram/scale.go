// Package histogram counts values in buckets that get wider as the values grow, so
// that a quantile is off by at most a known share, whatever the values are.
package histogram

import (
	"math"
	"math/bits"
)

// Scale says how fine the buckets are: each doubling of the values has 1<<Scale of
// them. Values below 2<<Scale have a bucket each; any other bucket is at most
// 1/(1<<Scale) as wide as its lowest value.
type Scale int

// Bucket returns where v is counted.
func (s Scale) Bucket(v uint64) int {
	exp := max(0, bits.Len64(v)-int(s)-1)
	return exp<<s + int(v>>exp)
}

// Lowest returns the smallest value in a bucket; the largest is one less than that
// of the next bucket.
func (s Scale) Lowest(bucket int) uint64 {
	exp := max(0, bucket>>s-1)
	return uint64(bucket-exp<<s) << exp
}

// Rank returns the bucket of the value that a share of q, 0 to 1, of all
// counted values does not exceed: the one of rank ceil(q*n). It is -1 if
// nothing was counted.
func Rank(counts []uint64, q float64) int {
	var n uint64
	for _, c := range counts {
		n += c
	}
	rank := min(max(uint64(math.Ceil(q*float64(n))), 1), n)
	for i, c := range counts {
		if c > 0 && c >= rank {
			return i
		}
		rank -= c
	}
	return -1
}
