package disk

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
)

// reserve is disk space that is kept for operations that make room: a file of
// real blocks in the store's directory, which is removed when they need it. It
// stays there when the server stops, so that a start on a full disk has room too.
type reserve struct {
	path string
	size int64 // when it is held; 0: there is none
	held bool
}

func newReserve(dir string, size int64) reserve {
	r := reserve{path: filepath.Join(dir, "reserve"), size: size}
	os.Remove(r.trial()) // a crash may have left it
	return r
}

// trial is the file that fits makes.
func (r *reserve) trial() string { return r.path + ".try" }

// take allocates the reserve if it is not held. If that fails nothing of it
// stays on the disk.
func (r *reserve) take() error {
	if r.held || r.size == 0 {
		return nil
	}
	if err := makeFile(r.path, r.size); err != nil {
		return err
	}
	r.held = true
	return nil
}

// gone reports whether the reserve is held and its file was removed or cut, for
// example by an operator in search of room.
func (r *reserve) gone() bool { return r.held && FileSize(r.path) < r.size }

// fits returns nil if the disk has room for a file of the given size.
func (r *reserve) fits(bytes int64) error {
	if err := makeFile(r.trial(), bytes); err != nil {
		return err
	}
	return os.Remove(r.trial())
}

// release gives the reserve back to the disk, and reports whether there was one.
func (r *reserve) release() bool {
	r.held = false
	info, err := os.Stat(r.path)
	if err != nil || info.Size() == 0 {
		return false
	}
	return os.Remove(r.path) == nil
}

// makeFile brings a file to the given size, all of it real blocks, or removes
// it.
func makeFile(name string, size int64) error {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	err = allocate(f, size)
	if info, e := f.Stat(); e == nil && info.Size() > size { // it was larger before
		err = errors.Join(err, f.Truncate(size))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(name)
	}
	return err
}

// fillBlock is how much fill writes at a time: few enough system calls for a
// reserve of 16 MiB, and small enough for the stack.
const fillBlock = 64 << 10

// fill is allocate for file systems that cannot allocate: it writes what is
// missing. It writes noise, because zeros would take no room on a file system
// that compresses.
func fill(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	noise := rand.NewChaCha8([32]byte{})
	var block [fillBlock]byte
	for at := info.Size(); at < size; at += fillBlock {
		noise.Read(block[:])
		if _, err := f.WriteAt(block[:min(fillBlock, size-at)], at); err != nil {
			return err
		}
	}
	return f.Sync()
}

// IsFull reports whether an error says that the disk, or a quota, is full.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// IsForbidden reports whether an error says that files cannot be written or made
// here: the disk is mounted read-only, or the files are another user's.
func IsForbidden(err error) bool {
	return errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission)
}
