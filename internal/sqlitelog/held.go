package sqlitelog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"feedd/internal/stream"
)

// A store that cannot be written when it is opened is held: it is read as it
// is, what would change it fails, and its opening is committed once that works.
// Until then its newest position is one that it held before, so no position is
// given to anybody that a later opening would deny (P4).

// hold opens the store for reading only. The cause is why no more is possible.
func (l *Log) hold(cause error) error {
	list, err := l.openHeldReaders()
	if err != nil {
		return errors.Join(cause, fmt.Errorf("and it cannot be read without being written: %w", err))
	}
	l.lend(list)
	if err := l.loadHeld(list[0].conn); err != nil {
		closeReaders(list)
		return errors.Join(cause, err)
	}
	l.wal.bytes.Store(fileSize(walOf(l.path)))
	l.usage.bytes.Store(fileSize(l.path) + l.wal.bytes.Load())
	l.w.held = l.whyHeld(cause)
	l.opts.Logger.Warn("the store is read only until its opening can be written: publishing waits for that", "err", l.w.held)
	return nil
}

func (l *Log) loadHeld(conn *sqlite.Conn) error {
	if _, err := verify(conn); err != nil {
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
	disk := l.w.room.reserve.fits(openingRoom)
	if path := new(fs.PathError); errors.As(disk, &path) {
		cause = path.Err // says more than SQLite does, which cannot open a file
	}
	if lacksRoom(disk) || l.full(cause) {
		return stream.ErrNoSpace
	}
	return fmt.Errorf("%w: %w", stream.ErrReadOnly, cause)
}

// openHeldReaders opens the reading connections for a store that nobody
// changes, and that takes no file beside it.
func (l *Log) openHeldReaders() ([]*reader, error) {
	return openReaders(func() (*sqlite.Conn, error) { return connectHeld(l.path) })
}

// connectHeld opens a database for reading where nothing can be written, not
// even the index of the WAL. This process holds the data directory, so there is
// no other writer to be kept out.
func connectHeld(path string) (*sqlite.Conn, error) {
	uri := "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	// Without a WAL, SQLite would make one. With "immutable" it would not look
	// into the one that is there. Without locks, and for one connection alone,
	// it keeps the index in memory.
	if fileSize(walOf(path)) > 0 {
		uri += "?vfs=unix-none"
	} else {
		uri += "?immutable=1"
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	conn, err := sqlite.OpenConn(uri, sqlite.OpenReadOnly, sqlite.OpenURI)
	if err != nil {
		return nil, err
	}
	// The first of all, since others look into the database.
	if err := sqlitex.ExecuteTransient(conn, "PRAGMA locking_mode = EXCLUSIVE", nil); err != nil {
		conn.Close()
		return nil, err
	}
	return setUp(conn, readerPragmas...)
}

// openHeld tries to commit the opening of a store that is held. The committer
// calls it once in upkeepEvery.
func (l *Log) openHeld() {
	l.mu.Lock()
	watch := l.watch
	l.mu.Unlock()
	if watch == nil {
		return // nobody could be told of it
	}
	if err := l.w.room.reserve.fits(openingRoom); err != nil {
		return
	}
	// No page may be read from a connection without locks while another one
	// writes; and to close one drops the locks of all others.
	for range readers {
		(<-l.readers).close()
	}
	err := l.openAgain()
	if err != nil {
		l.closeWriter()
		l.files.Store(nil)
		l.w.held = l.whyHeld(err)
		list, err := l.openHeldReaders()
		for err != nil && len(list) < readers {
			list = append(list, &reader{broken: fmt.Errorf("%s: %w", l.path, explain(err))})
		}
		l.lend(list)
		return
	}
	l.w.held = nil
	opening := l.openings[len(l.openings)-1]
	watch(stream.Commit{Opening: &opening})
	l.opts.Logger.Info("the store can be written again: its opening is committed")
	l.look(true)
}

// openAgain opens the store that was held for reading and writing.
func (l *Log) openAgain() error {
	if err := l.openWriter(); err != nil {
		return err
	}
	// It must be the store that is read: whoever has mounted another disk in its
	// place has to start feedd again.
	latest := l.openings[len(l.openings)-1].Time
	known, err := query1(l.w.conn, fmt.Sprintf("SELECT count(*) FROM opening WHERE time = %d", latest))
	if err != nil {
		return err
	}
	newest, err := query1(l.w.conn, "SELECT max(id) FROM item")
	if err != nil {
		return err
	}
	if known == 0 || stream.ID(newest) > l.w.last {
		return errors.New("another store is in the place of the one that is read; start feedd again")
	}
	// One whose commit seemed to fail may be there.
	last, err := query1(l.w.conn, "SELECT max(time) FROM opening")
	if err != nil {
		return err
	}
	l.w.last = max(l.w.last, stream.ID(last))
	list, err := openReaders(l.connectReader)
	if err != nil {
		return err
	}
	if err = l.identify(); err == nil {
		err = l.recordOpening()
	}
	if err != nil {
		closeReaders(list)
		return err
	}
	l.lend(list)
	l.startRoom()
	return nil
}
