package sqlitelog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"feedd/internal/stream"
)

// readers is how many pages are read at the same time.
const readers = 4

// patternReaders returns how many of them may be of patterns: their feeds are
// looked for first, which may keep a processor busy for a while, and the other
// half of the processors are for those who publish, and for readers of feeds by
// name.
func patternReaders() int { return min(max(1, runtime.GOMAXPROCS(0)/2), readers/2) }

// Log is the embedded engine.
type Log struct {
	// Immutable after Open.
	path string
	opts stream.StoreOptions

	queue queue

	// readers holds the reading connections that nobody uses.
	readers chan *reader
	// patterns is held by who reads a page of patterns.
	patterns chan struct{}
	// gate is read-locked for the length of one page, and locked by the
	// committer while it moves the WAL into the database.
	gate sync.RWMutex

	// registry is what readers know of the feeds. The committer replaces it,
	// after a commit.
	registry atomic.Pointer[registry]
	// mayLost is at least every feed's mayLost.
	mayLost lossMark
	// forgotten is the highest loss of a feed that was forgotten.
	forgotten lossMark

	// mu guards openings and watch, and is held while a commit is made known.
	// Nobody holds it for longer.
	mu sync.Mutex
	// openings are in the order of their times. The list is replaced, never
	// changed.
	openings []stream.Opening
	// watch is set once, before the first Append.
	watch func(stream.Commit)

	files  atomic.Pointer[files] // set by Open, and by the committer
	usage  usage
	wal    wal
	closed atomic.Bool
	done   chan struct{} // closed when the committer has ended

	// Owned by the committer.
	w writer
}

var _ stream.Engine = (*Log)(nil)

// usage is what Usage returns, and the committer keeps.
type usage struct {
	items, keys, bytes atomic.Int64
}

// Open opens the store in dir, which must exist, and makes it if there is
// none. The opening is committed when it returns. Where that fails since the
// store cannot be written (the disk is full or read-only, the files are another
// user's), it can be read all the same: see held.go. Errors name the file.
func Open(dir string, opts stream.StoreOptions) (*Log, error) {
	path := filepath.Join(dir, fileName)
	l := &Log{
		path:    path,
		opts:    opts,
		readers: make(chan *reader, readers),

		patterns: make(chan struct{}, patternReaders()),

		done: make(chan struct{}),
	}
	l.registry.Store(new(registry))
	l.queue.more = make(chan struct{}, 1)
	if l.opts.Now == nil {
		l.opts.Now = time.Now
	}
	if l.opts.Logger == nil {
		l.opts.Logger = slog.New(slog.DiscardHandler)
	}
	l.w.room = newRoom(filepath.Dir(walOf(path)), &l.opts) // the disk that the database is on
	l.wal.limit = walLimit(opts.Bytes, l.w.room.reserve.size)
	err := l.open()
	if err != nil && l.unwritable(err) && l.giveReserve() {
		err = l.open()
	}
	if err != nil && l.unwritable(err) {
		err = l.hold(err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the store %s: %w", path, explain(err))
	}
	go l.run()
	return l, nil
}

// open opens the store for reading and writing. What it opened is closed again
// where it fails.
func (l *Log) open() (err error) {
	defer func() {
		if err != nil {
			l.closeWriter()
		}
	}()
	if _, err := os.Stat(l.path); errors.Is(err, fs.ErrNotExist) {
		if err := create(l.path); err != nil {
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
	list, err := openReaders(l.connectReader)
	if err != nil {
		return err
	}
	if err := l.identify(); err != nil {
		closeReaders(list)
		return err
	}
	l.lend(list)
	l.startRoom()
	l.measure()
	return nil
}

// openWriter opens the committer's connection, and upgrades an older store.
func (l *Log) openWriter() error {
	conn, err := connect(l.path, "PRAGMA cache_size = -16000")
	if err != nil {
		return err
	}
	l.w.conn = conn
	version, err := verify(conn)
	if err != nil {
		return err
	}
	if version < schemaVersion {
		if err := upgrade(conn, version); err != nil {
			return err
		}
	}
	return l.w.prepare()
}

func (l *Log) connectReader() (*sqlite.Conn, error) { return connect(l.path, readerPragmas...) }

// openReaders opens all reading connections, or none.
func openReaders(connect func() (*sqlite.Conn, error)) (list []*reader, err error) {
	for range readers {
		conn, err := connect()
		if err == nil {
			var r *reader
			if r, err = newReader(conn); err == nil {
				list = append(list, r)
			}
		}
		if err != nil {
			closeReaders(list)
			return nil, err
		}
	}
	return list, nil
}

func closeReaders(list []*reader) {
	for _, r := range list {
		r.close()
	}
}

// lend gives reading connections to those who ask for one.
func (l *Log) lend(list []*reader) {
	for _, r := range list {
		l.readers <- r
	}
}

// explain puts SQLite's word for damage into plain ones.
func explain(err error) error {
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultNotADB:
		return fmt.Errorf("the file is damaged or no SQLite database (%w); restore it from a backup, or move it away to start empty", err)
	case sqlite.ResultCorrupt:
		return fmt.Errorf("the database is damaged (%w); restore it from a backup, or try sqlite3's .recover", err)
	}
	return err
}

// Openings implements stream.Log.
func (l *Log) Openings() []stream.Opening {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.openings
}

// Durability implements stream.Engine: acknowledged is on disk.
func (l *Log) Durability() string { return "fsync" }

// OnCommit implements stream.Log.
func (l *Log) OnCommit(fn func(stream.Commit)) stream.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch = fn
	return l.newestLocked()
}

// newestLocked returns the newest position: of the store's last item, or of
// the latest opening.
func (l *Log) newestLocked() stream.ID {
	newest := l.openings[len(l.openings)-1].Time
	for c := l.registry.Load().names.All(); c.Valid(); c.Next() {
		newest = max(newest, c.Value().committed.Load().newest)
	}
	return newest
}

// Usage implements stream.Keeper.
func (l *Log) Usage() stream.Usage {
	return stream.Usage{
		Feeds: l.registry.Load().names.Len(),
		Items: int(l.usage.items.Load()),
		Keys:  int(l.usage.keys.Load()),
		Bytes: l.usage.bytes.Load(),

		WAL:     l.wal.bytes.Load(),
		Unmoved: l.wal.unmoved.Load(),
		Reserve: l.w.room.held.Load(),
	}
}

// Close implements stream.Log.
func (l *Log) Close() error {
	if l.closed.Swap(true) {
		<-l.done
		return nil
	}
	l.queue.close()
	<-l.done
	var errs []error
	for range readers { // each comes back when its page is done
		errs = append(errs, (<-l.readers).close())
	}
	return errors.Join(append(errs, l.closeWriter())...)
}

func (l *Log) closeWriter() error {
	if l.w.conn == nil {
		return nil
	}
	err := l.w.conn.Close()
	l.w.conn = nil
	return err
}

// Floor implements stream.Log.
func (l *Log) Floor(ctx context.Context, id stream.ID) (stream.ID, error) {
	openings := l.Openings()
	floor := openings[0].Time
	for _, o := range openings {
		if o.Time <= id {
			floor = max(floor, o.Time)
		}
	}
	if lost, ok := l.registry.Load().losses.Last(id); ok {
		floor = max(floor, lost)
	}
	if lost := l.forgotten.get(); lost <= id {
		floor = max(floor, lost)
	}
	err := l.page(ctx, func(r *reader) error {
		r.floor.BindInt64(1, int64(id))
		n, err := number(r.floor)
		floor = max(floor, stream.ID(n))
		return err
	})
	return floor, err
}
