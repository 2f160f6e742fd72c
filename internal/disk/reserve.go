package sqlitelog

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
)

// reserve is room on the disk that is kept for what makes room: a file of real
// blocks in the data directory, which is removed when they are needed. It stays
// there over a stop, so that a start on a full disk has room too. The committer
// owns it.
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

// take allocates the reserve where it is not held. Where that fails nothing of
// it stays.
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

// gone reports whether the reserve is held and its file was removed or cut, as
// by somebody who looked for room.
func (r *reserve) gone() bool { return r.held && fileSize(r.path) < r.size }

// fits returns nil where so many bytes have room on the disk.
func (r *reserve) fits(bytes int64) error {
	if err := makeFile(r.trial(), bytes); err != nil {
		return err
	}
	return os.Remove(r.trial())
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

// release gives the reserve to the disk, and reports whether there was one.
func (r *reserve) release() bool {
	r.held = false
	info, err := os.Stat(r.path)
	if err != nil || info.Size() == 0 {
		return false
	}
	return os.Remove(r.path) == nil
}

// fill is allocate for file systems that cannot: it writes what is missing. It
// writes noise, for which a file system that compresses needs room too.
func fill(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	noise := rand.NewChaCha8([32]byte{})
	var block [64 << 10]byte
	for at := info.Size(); at < size; at += int64(len(block)) {
		noise.Read(block[:])
		if _, err := f.WriteAt(block[:min(int64(len(block)), size-at)], at); err != nil {
			return err
		}
	}
	return f.Sync()
}

// lacksRoom reports whether an error says that the disk, or a quota, is full.
func lacksRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// forbidsWriting reports whether an error says that files here cannot be
// written or made.
func forbidsWriting(err error) bool {
	return errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission)
}
