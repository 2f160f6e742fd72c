package sqlitelog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"feedd/internal/stream"
)

// files are the database, its WAL and the WAL's index: where the next start
// would look for them, and what is open here. SQLite removes and makes the latter
// two only while no connection is open, so while the Log is open all stay the same
// files. The next start makes the index anew; but another program would do so
// now, know of no lock of ours, and could move the WAL and cut it.
type files struct {
	dbPath, walPath, shmPath string      // absolute
	db, wal, shm             fs.FileInfo // wal and shm are nil as long as there is none
}

// InPlace returns nil where the next start would open the files that are open
// now; else what is committed now would not be found again, and it returns an
// error that wraps [stream.ErrDetached] and names the file without its path.
// It costs a stat for each file, and what [stream.StoreOptions.Guard] costs.
func (l *Log) InPlace() error {
	if guard := l.opts.Guard; guard != nil {
		if err := guard(); err != nil {
			return err
		}
	}
	f := l.files.Load()
	if f == nil {
		return nil // it is being opened
	}
	if err := same(f.dbPath, f.db); err != nil {
		return err
	}
	if f.wal != nil {
		if err := same(f.walPath, f.wal); err != nil {
			return err
		}
	}
	if f.shm != nil {
		return same(f.shmPath, f.shm)
	}
	return nil
}

func same(path string, open fs.FileInfo) error {
	found, err := os.Stat(path) // opens nothing: that would take SQLite's locks
	var because *fs.PathError
	switch name := filepath.Base(path); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s is gone", stream.ErrDetached, name)
	case errors.As(err, &because):
		return fmt.Errorf("%w: %s cannot be looked at: %w", stream.ErrDetached, name, because.Err)
	case err != nil:
		return fmt.Errorf("%w: %s cannot be looked at: %w", stream.ErrDetached, name, err)
	case !os.SameFile(found, open):
		return fmt.Errorf("%w: %s is another file than the open one", stream.ErrDetached, name)
	}
	return nil
}

// identify notes which files are open. It fails where the names were given to
// other files meanwhile.
func (l *Log) identify() error {
	var f files
	var err error
	if f.dbPath, err = filepath.Abs(l.path); err != nil {
		return err
	}
	f.walPath = walOf(f.dbPath)
	if f.db, err = opened(f.dbPath); err != nil {
		return err
	}
	if f.wal, err = opened(f.walPath); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f.shmPath = strings.TrimSuffix(f.walPath, "-wal") + "-shm"
	if f.shm, err = opened(f.shmPath); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	l.files.Store(&f)
	return nil
}

// walOf returns where SQLite keeps the WAL of a database: beside the file that a
// link leads to.
func walOf(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path + "-wal"
}

// opened returns what is at a path, and an error where this process has no such
// file open. Where there is no /proc it believes that it has.
func opened(path string) (fs.FileInfo, error) {
	file, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	const mine = "/proc/self/fd"
	descriptors, err := os.ReadDir(mine)
	if err != nil {
		return file, nil
	}
	for _, d := range descriptors {
		if open, err := os.Stat(filepath.Join(mine, d.Name())); err == nil && os.SameFile(open, file) {
			return file, nil
		}
	}
	return nil, fmt.Errorf("%w: %s was replaced while it was opened", stream.ErrDetached, filepath.Base(path))
}

// lookFor is how long the committer trusts a look. Four stats are 40 us beside
// a commit of 300; in 10 ms they are shared by as many commits as come.
const lookFor = 10 * time.Millisecond

// inPlace returns what InPlace does, or nil where it did so just now. For the
// committer: before a commit, and before an answer, should the commit take long.
func (w *writer) inPlace(l *Log) error {
	if time.Since(w.looked) < lookFor {
		return nil
	}
	looked := time.Now()
	if f := l.files.Load(); f != nil && f.wal == nil {
		if err := l.identify(); err != nil {
			return err
		}
	}
	if err := l.InPlace(); err != nil {
		return err
	}
	w.looked = looked
	return nil
}

// settled looks when a transaction is over and before it is answered.
func (t *tx) settled() error {
	err := t.w.inPlace(t.l)
	if err != nil && t.dirty {
		// It is in the files that are open, and comes back with them.
		return fmt.Errorf("%w: %w", stream.ErrOutcomeUnknown, err)
	}
	return err
}
