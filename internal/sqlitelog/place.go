package sqlitelog

import (
	"errors"
	"fmt"
	"time"

	"feedd/internal/disk"
	"feedd/internal/sqlitelog/database"
	"feedd/internal/stream"
)

// SQLite removes and makes the WAL and its index only while no connection is open,
// so while the Log is open the database, its WAL and the index stay the same
// files. The next start makes the index anew; but if its name leads elsewhere,
// another program would do so now, know of no lock of ours, and could move the
// WAL and cut it.

// InPlace returns nil if the next start would open the files that are open
// now; else what is committed now would not be found again, and it returns an
// error that wraps [stream.ErrDetached] and names the file without its path.
// It costs a stat for each file, and what [stream.StoreOptions.Guard] costs.
func (l *Log) InPlace() error {
	if guard := l.opts.Guard; guard != nil {
		if err := guard(); err != nil {
			return err
		}
	}
	files := l.files.Load()
	if files == nil {
		return nil // the store is being opened
	}
	if err := files.Check(); err != nil {
		return fmt.Errorf("%w: %w", stream.ErrDetached, err)
	}
	return nil
}

// identify notes which files are open. It fails if their names were given to
// other files meanwhile.
func (l *Log) identify() error {
	l.wal.path = database.WAL(l.path)
	files, err := disk.Identify(l.path, l.wal.path, database.WALIndex(l.wal.path))
	if replaced := new(disk.ReplacedError); errors.As(err, &replaced) {
		err = fmt.Errorf("%w: %w", stream.ErrDetached, err)
	}
	if err != nil {
		return err
	}
	l.files.Store(files)
	return nil
}

// lookFor is how long the committer trusts a look. Four stats are 40 us beside
// a commit of 300; in 10 ms all commits share one look.
const lookFor = 10 * time.Millisecond

// inPlace returns what InPlace does, or nil if the files were in their place just
// now. The committer calls it before a commit, and before an answer, because the
// commit may take long.
func (w *writer) inPlace(l *Log) error {
	if time.Since(w.lastSeenPlace) < lookFor {
		return nil
	}
	looked := time.Now()
	if files := l.files.Load(); files != nil && !files.Complete() {
		if err := l.identify(); err != nil {
			return err
		}
	}
	if err := l.InPlace(); err != nil {
		return err
	}
	w.lastSeenPlace = looked
	return nil
}

// inPlaceStill is inPlace when a transaction is over and before it is answered.
func (t *tx) inPlaceStill() error {
	err := t.w.inPlace(t.l)
	if err != nil && t.dirty {
		// The commit is in the files that are open, and comes back with them.
		return fmt.Errorf("%w: %w", stream.ErrOutcomeUnknown, err)
	}
	return err
}
