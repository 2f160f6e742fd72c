package server

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"feedd/internal/stream"
)

// dirLock keeps every other feedd away from a directory. It is a lock of the
// directory itself, because a name in it can be removed and given to another
// file. The file "lock" in it is locked as well: versions of feedd that do not
// know the lock of the directory look at that, and it says who holds both.
type dirLock struct {
	path string // absolute
	dir  *os.File
	is   fs.FileInfo // of the directory that is locked
	firm bool        // the directory itself is locked

	// For keep alone.
	file   *os.File // nil: it could not be opened
	fileIs fs.FileInfo

	// lost is set once another feedd may have been here, and then never becomes
	// nil: that one may have changed the store, and this one would not know.
	lost atomic.Pointer[error]
}

// inUseError says that another feedd has the directory.
type inUseError struct{ process string } // "" for not known

func (e *inUseError) Error() string {
	if e.process == "" {
		return "in use by another feedd"
	}
	return "in use by another feedd (process " + e.process + ")"
}

// lockDir locks a directory. If the file in it cannot be written, the lock of
// the directory is enough for a directory that holds a store already.
func lockDir(path string, holdsStore bool, logger *slog.Logger) (*dirLock, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("the data directory: %w", err)
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the data directory: %w", err)
	}
	l := &dirLock{path: abs, dir: dir}
	if l.is, err = dir.Stat(); err != nil {
		l.close()
		return nil, fmt.Errorf("the data directory: %w", err)
	}
	var used *inUseError
	err = flock(dir, l.name())
	if l.firm = err == nil; err != nil && !errors.As(err, &used) {
		logger.Warn("this file system cannot lock a directory, so the lock is a file in it: do not remove that while feedd runs", "file", filepath.Join(path, "lock"), "err", err)
	}
	if used == nil {
		err = l.takeFile()
		errors.As(err, &used)
	}
	switch {
	case used != nil:
		err = fmt.Errorf("the data directory %s is %w: stop that one, or give this one another --data, and another --listen", path, used)
	case err != nil && (!holdsStore || !l.firm):
		err = fmt.Errorf("the data directory %s cannot be written: %w", path, err)
	case err != nil:
		logger.Warn("the data directory cannot be written", "data", path, "err", err)
		err = nil
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *dirLock) name() string { return filepath.Join(l.path, "lock") }

// takeFile locks the file "lock", which it makes if there is none, and
// writes this process's id into it.
func (l *dirLock) takeFile() error {
	name := l.name()
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		var e error
		if file, e = os.Open(name); e != nil { // a lock needs no more than that
			return err
		}
	}
	if err := flock(file, name); err != nil {
		file.Close()
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	if file.Truncate(0) == nil {
		fmt.Fprintln(file, os.Getpid())
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.fileIs = file, info
	return nil
}

// inPlace returns nil while the path leads to the locked directory and no other
// feedd has come into it, else an error that wraps stream.ErrDetached.
func (l *dirLock) inPlace() error {
	if lost := l.lost.Load(); lost != nil {
		return *lost
	}
	found, err := os.Stat(l.path)
	var because *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: the data directory is gone", stream.ErrDetached)
	case errors.As(err, &because):
		return fmt.Errorf("%w: the data directory cannot be looked at: %w", stream.ErrDetached, because.Err)
	case !os.SameFile(found, l.is):
		return fmt.Errorf("%w: the data directory is another one than the open one", stream.ErrDetached)
	}
	return nil
}

// keep makes the lock file again if it was removed or replaced, and reports
// whether it did.
func (l *dirLock) keep() bool {
	if info, err := os.Stat(l.name()); err == nil && l.file != nil && os.SameFile(info, l.fileIs) {
		return false
	}
	err := l.takeFile()
	var used *inUseError
	switch {
	case errors.As(err, &used):
		l.lose(fmt.Errorf("%w: the data directory is %w, since its lock file was removed; stop both, and start one", stream.ErrDetached, used))
	case err != nil && !l.firm:
		l.lose(fmt.Errorf("%w: the lock file was removed and cannot be made again", stream.ErrDetached))
	}
	return err == nil
}

func (l *dirLock) lose(err error) { l.lost.CompareAndSwap(nil, &err) }

// close gives the locks back.
func (l *dirLock) close() error {
	err := l.dir.Close()
	if l.file != nil {
		err = cmp.Or(err, l.file.Close())
	}
	return err
}

// flock locks an open file or directory, or returns an inUseError, or why it
// cannot be locked. file is where the holder of the lock writes its id.
func flock(open *os.File, file string) error {
	err := syscall.Flock(int(open.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return err
	}
	if process := holder(open); process != "" {
		return &inUseError{process}
	}
	process, _ := os.ReadFile(file)
	return &inUseError{strings.TrimSpace(string(process))}
}

// holder returns the id of the process that has an flock of what is open, as
// Linux tells it; "" if that is not known.
func holder(open *os.File) string {
	var is unix.Stat_t
	if err := unix.Fstat(int(open.Fd()), &is); err != nil {
		return ""
	}
	locks, _ := os.ReadFile("/proc/locks") // see proc_locks(5)
	want := fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(is.Dev)), unix.Minor(uint64(is.Dev)), is.Ino)
	for line := range strings.Lines(string(locks)) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || !slices.Contains(fields, want) {
			continue
		}
		// A process of another container has the id 0 here.
		if id, err := strconv.Atoi(fields[4]); err == nil && id > 0 {
			return fields[4]
		}
	}
	return ""
}
