//go:build !linux

package sqlitelog

import (
	"math"
	"os"
)

// diskSize returns how large the file system is that holds dir, and how many
// of its bytes are free: both are MaxInt64, that cannot be told here.
func diskSize(string) (size, free int64) { return math.MaxInt64, math.MaxInt64 }

// allocate gives a file blocks for its first size bytes.
func allocate(f *os.File, size int64) error { return fill(f, size) }
