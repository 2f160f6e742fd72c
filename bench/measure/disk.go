package measure

import (
	"os"
	"syscall"
)

// inMemory are the file systems that are no disk: tmpfs and ramfs (statfs(2)).
var inMemory = map[int64]bool{0x01021994: true, 0x858458f6: true}

// DiskDir returns a directory for temporary files on a disk: in memory, where
// some systems have /tmp, feedd's fsync would cost nothing.
func DiskDir() string {
	dir := os.TempDir()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err == nil && inMemory[int64(fs.Type)] {
		return "/var/tmp"
	}
	return dir
}
