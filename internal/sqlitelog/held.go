package sqlitelog

import (
	"errors"
	"fmt"
	"io/fs"

	"zombiezen.com/go/sqlite"

	"feedd/internal/disk"
	"feedd/internal/sqlitelog/database"
	"feedd/internal/sqlitelog/snapshot"
	"feedd/internal/stream"
)

// A store that cannot be written when it is opened is held: it is read as it
// is, each change fails, and its opening is committed once that works. Until then
// its newest position is one that it had before, so no reader gets a position that
// a later opening would deny (P4).

// hold opens the store for reading only. The cause is why no more is possible.
func (l *Log) hold(cause error) error {
	list, err := l.openHeldPages()
	if err != nil {
		return errors.Join(cause, fmt.Errorf("and it cannot be read without being written: %w", err))
	}
	if err := l.loadHeld(list.Conn()); err != nil {
		list.Close()
		return errors.Join(cause, err)
	}
	l.pages.Lend(list)
	l.wal.bytes.Store(disk.FileSize(database.WAL(l.path)))
	l.usage.bytes.Store(disk.FileSize(l.path) + l.wal.bytes.Load())
	l.w.held = l.whyHeld(cause)
	l.opts.Logger.Warn("the store is read only until its opening can be written: publishing waits for that", "err", l.w.held)
	return nil
}

func (l *Log) loadHeld(conn *sqlite.Conn) error {
	if err := database.Verify(conn); err != nil {
		return err
	}
	if err := l.load(conn); err != nil {
		return err
	}
	if len(l.openings) == 0 {
		return errors.New("it was never opened before, so there is nothing to read")
	}
	return nil
}

// whyHeld puts the cause into the words of package stream.
func (l *Log) whyHeld(cause error) error {
	trial := l.room.Try()
	if path := new(fs.PathError); errors.As(trial, &path) {
		cause = path.Err // says more than SQLite does, which cannot open a file
	}
	if disk.IsFull(trial) || l.full(cause) {
		return stream.ErrNoSpace
	}
	return fmt.Errorf("%w: %w", stream.ErrReadOnly, cause)
}

// openHeldPages opens the reading connections for a store that is not written,
// and that gets no file beside it.
func (l *Log) openHeldPages() (snapshot.Connections, error) {
	return snapshot.Open(func() (*sqlite.Conn, error) { return database.OpenHeld(l.path) })
}

// openHeld tries to commit the opening of a store that is held. The committer
// calls it once in upkeepEvery.
func (l *Log) openHeld() {
	l.mu.Lock()
	onCommit := l.onCommit
	l.mu.Unlock()
	if onCommit == nil {
		return // the commit could not be told to the hub
	}
	if err := l.room.Try(); err != nil {
		return
	}
	// No page may be read from a connection without locks while another connection
	// writes. And to close one later would drop the locks of the others.
	l.pages.TakeBack().Close()
	err := l.openAgain()
	if err != nil {
		l.closeWriter()
		l.files.Store(nil)
		l.w.held = l.whyHeld(err)
		list, err := l.openHeldPages()
		if err != nil {
			list = snapshot.Broken(fmt.Errorf("%s: %w", l.path, database.Explain(err)))
		}
		l.pages.Lend(list)
		return
	}
	l.w.held = nil
	opening := l.openings[len(l.openings)-1]
	onCommit(stream.Commit{Opening: &opening})
	l.opts.Logger.Info("the store can be written again: its opening is committed")
	l.look(true)
}

// openAgain opens the store that was held for reading and writing.
func (l *Log) openAgain() error {
	if err := l.openWriter(); err != nil {
		return err
	}
	// It must be the store that is read. If another disk was mounted in its place,
	// feedd has to be started again.
	latest := l.openings[len(l.openings)-1].Time
	known, err := database.QueryNumber(l.w.conn, fmt.Sprintf("SELECT count(*) FROM opening WHERE time = %d", latest))
	if err != nil {
		return err
	}
	newest, err := database.QueryNumber(l.w.conn, "SELECT max(id) FROM item")
	if err != nil {
		return err
	}
	if known == 0 || stream.ID(newest) > l.w.last {
		return errors.New("another store is in the place of the one that is read; start feedd again")
	}
	// One whose commit seemed to fail may be there.
	last, err := database.QueryNumber(l.w.conn, "SELECT max(time) FROM opening")
	if err != nil {
		return err
	}
	l.w.last = max(l.w.last, stream.ID(last))
	list, err := l.openPages()
	if err != nil {
		return err
	}
	if err = l.identify(); err == nil {
		err = l.recordOpening()
	}
	if err != nil {
		list.Close()
		return err
	}
	l.pages.Lend(list)
	l.room.Start()
	return nil
}
