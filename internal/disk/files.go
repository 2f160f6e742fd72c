package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Files are paths, and the files there that this process has open.
type Files struct {
	paths []string      // absolute
	open  []fs.FileInfo // nil for a file that was not there
}

// ReplacedError says that a path leads to another file than the one that was
// opened just before.
type ReplacedError struct {
	Name string // of the file, without its directory
}

func (e *ReplacedError) Error() string { return e.Name + " was replaced while it was opened" }

// Identify notes which files are open at the given paths. The first must be
// there, the others may be missing. The error is a [ReplacedError] if a path was
// given to another file meanwhile, else that of looking.
func Identify(paths ...string) (*Files, error) {
	f := &Files{}
	for i, path := range paths {
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		info, err := opened(path)
		if err != nil && (i == 0 || !errors.Is(err, fs.ErrNotExist)) {
			return nil, err
		}
		f.paths, f.open = append(f.paths, path), append(f.open, info)
	}
	return f, nil
}

// Complete reports whether all files were there when they were identified.
func (f *Files) Complete() bool {
	for _, info := range f.open {
		if info == nil {
			return false
		}
	}
	return true
}

// Check returns nil if each path still leads to the file that is open, else an
// error that names the file without its path. It costs a stat for each file.
func (f *Files) Check() error {
	for i, path := range f.paths {
		if f.open[i] == nil {
			continue
		}
		if err := same(path, f.open[i]); err != nil {
			return err
		}
	}
	return nil
}

func same(path string, open fs.FileInfo) error {
	found, err := os.Stat(path) // does not open it: to close it again would drop SQLite's locks
	var because *fs.PathError
	switch name := filepath.Base(path); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is gone", name)
	case errors.As(err, &because):
		return fmt.Errorf("%s cannot be looked at: %w", name, because.Err)
	case err != nil:
		return fmt.Errorf("%s cannot be looked at: %w", name, err)
	case !os.SameFile(found, open):
		return fmt.Errorf("%s is another file than the open one", name)
	}
	return nil
}

// opened returns what is at a path, and an error if this process has no such
// file open. Without /proc it believes that it has.
func opened(path string) (fs.FileInfo, error) {
	file, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	const descriptors = "/proc/self/fd"
	list, err := os.ReadDir(descriptors)
	if err != nil {
		return file, nil
	}
	for _, d := range list {
		if open, err := os.Stat(filepath.Join(descriptors, d.Name())); err == nil && os.SameFile(open, file) {
			return file, nil
		}
	}
	return nil, &ReplacedError{Name: filepath.Base(path)}
}

// FileSize returns the size of a file in bytes, 0 if it is not there.
func FileSize(name string) int64 {
	info, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return info.Size()
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
