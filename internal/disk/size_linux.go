package disk

import (
	"errors"
	"math"
	"os"
	"syscall"
)

// size returns the size of the file system that holds dir, and how many of its
// bytes are free for this process. Both are MaxInt64 if the system does not tell.
// Quotas are not considered.
func size(dir string) (all, free int64) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil || st.Blocks == 0 {
		return math.MaxInt64, math.MaxInt64
	}
	// Blocks are counted in fragments (statvfs(3)). Bsize is the best size of a
	// transfer, which on FUSE may be 256 times as large.
	unit := int64(st.Frsize)
	if unit == 0 {
		unit = int64(st.Bsize)
	}
	return int64(st.Blocks) * unit, int64(st.Bavail) * unit
}

// allocate gives a file blocks for its first n bytes.
func allocate(f *os.File, n int64) error {
	for {
		err := syscall.Fallocate(int(f.Fd()), 0, 0, n)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
			return fill(f, n)
		}
		return err
	}
}
