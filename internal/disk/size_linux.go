package sqlitelog

import (
	"errors"
	"math"
	"os"
	"syscall"
)

// diskSize returns how large the file system is that holds dir, and how many
// of its bytes are free for this process; both are MaxInt64 where that cannot
// be told. A quota is not seen.
func diskSize(dir string) (size, free int64) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil || st.Blocks == 0 {
		return math.MaxInt64, math.MaxInt64
	}
	// Blocks are counted in fragments (statvfs(3)); Bsize is how much is best
	// transferred at once, which on FUSE may be 256 times that.
	unit := int64(st.Frsize)
	if unit == 0 {
		unit = int64(st.Bsize)
	}
	return int64(st.Blocks) * unit, int64(st.Bavail) * unit
}

// allocate gives a file blocks for its first size bytes.
func allocate(f *os.File, size int64) error {
	for {
		err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
			return fill(f, size)
		}
		return err
	}
}
