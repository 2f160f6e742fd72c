package sqlitelog

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"feedd/internal/disk"
	"feedd/internal/sqlitelog/database"
	"feedd/internal/sqlitelog/registry"
	"feedd/internal/sqlitelog/snapshot"
	"feedd/internal/stream"
)

// Log is the embedded engine.
type Log struct {
	// Immutable after Open.
	path string
	opts stream.StoreOptions

	queue queue

	pages *snapshot.Pool
	// gate is read-locked for the length of one page. The committer locks it while
	// it moves the WAL into the database, or forgets feeds.
	gate sync.RWMutex

	// registry is what readers know of the feeds. The committer replaces it,
	// after a commit.
	registry atomic.Pointer[registry.Registry]
	// mayLost is at least the MayLost of every feed.
	mayLost registry.LossMark
	// forgotten is the highest loss of a feed that was forgotten.
	forgotten registry.LossMark

	// mu guards openings and onCommit, and is held while a commit is made known, and
	// not longer.
	mu sync.Mutex
	// openings are in the order of their times. The list is replaced, never
	// changed.
	openings []stream.Opening
	// onCommit is set once, before the first Append.
	onCommit func(stream.Commit)

	files  atomic.Pointer[disk.Files] // set by Open, and by the committer
	room   *disk.Room                 // the committer's, but for Held
	usage  usage
	wal    wal
	closed atomic.Bool
	done   chan struct{} // closed when the committer has ended

	// Owned by the committer.
	w writer
}

var _ stream.Engine = (*Log)(nil)

// usage is what Usage returns and the committer counts.
type usage struct {
	items, keys, bytes atomic.Int64
}

// Open opens the store in dir, which must exist, and makes it if there is
// none. The opening is committed when it returns. If that fails because the
// store cannot be written (the disk is full or read-only, the files are another
// user's), it can still be read: see held.go. Errors name the file.
func Open(dir string, opts stream.StoreOptions) (*Log, error) {
	return open(dir, opts, upkeepEvery)
}

func open(dir string, opts stream.StoreOptions, every time.Duration) (*Log, error) {
	path := filepath.Join(dir, database.FileName)
	l := &Log{
		path: path,
		opts: opts,
		done: make(chan struct{}),
	}
	l.registry.Store(new(registry.Registry))
	l.queue.more = make(chan struct{}, 1)
	l.w.upkeep.every = every
	if l.opts.Now == nil {
		l.opts.Now = time.Now
	}
	if l.opts.Logger == nil {
		l.opts.Logger = slog.New(slog.DiscardHandler)
	}
	l.pages = snapshot.NewPool(snapshot.Source{
		Path: path, Gate: l.gate.RLocker(), Registry: l.registry.Load, MayLost: &l.mayLost, Now: l.opts.Now,
	})
	// The disk that counts is the one that the database is on, if that is a link.
	l.room = disk.NewRoom(filepath.Dir(database.WAL(path)), opts.Reserve, opts.Bytes, l.opts.Logger)
	l.wal.limit = walLimit(opts.Bytes, l.room.Reserve())
	err := l.openFiles()
	if err != nil && l.unwritable(err) && l.room.GiveReserve() {
		err = l.openFiles()
	}
	if err != nil && l.unwritable(err) {
		err = l.hold(err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the store %s: %w", path, database.Explain(err))
	}
	go l.run()
	return l, nil
}

// openFiles opens the store for reading and writing. If it fails, it closes again what
// it opened.
func (l *Log) openFiles() (err error) {
	defer func() {
		if err != nil {
			l.closeWriter()
		}
	}()
	if _, err := os.Stat(l.path); errors.Is(err, fs.ErrNotExist) {
		if err := database.Create(l.path); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if err := l.openWriter(); err != nil {
		return err
	}
	if err := l.load(l.w.conn); err != nil {
		return err
	}
	if err := l.recordOpening(); err != nil {
		return err
	}
	list, err := l.openPages()
	if err != nil {
		return err
	}
	if err := l.identify(); err != nil {
		list.Close()
		return err
	}
	l.pages.Lend(list)
	l.room.Start()
	l.measure()
	return nil
}

// openWriter opens the committer's connection, and upgrades an older store.
func (l *Log) openWriter() error {
	conn, err := database.OpenWriter(l.path)
	if err != nil {
		return err
	}
	l.w.conn = conn
	return l.w.prepare()
}

func (l *Log) openPages() (snapshot.Connections, error) {
	return snapshot.Open(func() (*sqlite.Conn, error) { return database.OpenReader(l.path) })
}

// Close implements [stream.Log].
func (l *Log) Close() error {
	if l.closed.Swap(true) {
		<-l.done
		return nil
	}
	l.pages.Shut()
	l.queue.close()
	<-l.done
	return errors.Join(l.pages.TakeBack().Close(), l.closeWriter())
}

func (l *Log) closeWriter() error {
	if l.w.conn == nil {
		return nil
	}
	err := l.w.conn.Close()
	l.w.conn = nil
	return err
}
