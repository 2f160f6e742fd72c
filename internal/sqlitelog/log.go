package sqlitelog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"feedd/internal/stream"
)

// readers is how many pages are read at the same time.
const readers = 4

// Log is the embedded engine.
type Log struct {
	// Immutable after Open.
	path     string
	opts     stream.StoreOptions
	openings []stream.Opening

	queue queue

	// readers holds the reading connections that nobody uses.
	readers chan *reader
	// gate is read-locked for the length of one page, and locked by the
	// committer while it moves the WAL into the database.
	gate sync.RWMutex

	// mu guards feeds, byNo, every feed's state, and the marks. The committer
	// alone writes them, after a commit; it never holds mu during one.
	mu        sync.RWMutex
	feeds     map[string]*feed
	byNo      map[int64]*feed
	forgotten stream.ID // highest loss of a forgotten feed

	// watch is set once, before the first Append.
	watch func(stream.Commit)

	files  atomic.Pointer[files] // set by Open, and by the committer
	usage  usage
	closed atomic.Bool
	done   chan struct{} // closed when the committer has ended

	// Owned by the committer.
	w writer
}

var _ stream.Engine = (*Log)(nil)

// feed is one feed's row, cached.
type feed struct {
	no         int64
	name       string
	configured stream.Retention
	state      // guarded by Log.mu
	// mayLost is at least lost in every snapshot that anybody can read: it is
	// raised before the commit that raises lost. Guarded by Log.mu.
	mayLost stream.ID
}

type state struct {
	items  int
	bytes  int64
	oldest stream.ID // of the retained items, 0 for none
	newest stream.ID // ever given, 0 for none
	lost   stream.ID
	reason stream.Reason
	own    *stream.Retention
}

// usage is what Usage returns, and the committer keeps.
type usage struct {
	items, keys, bytes atomic.Int64
}

// Open opens the store in dir, which must exist, and makes it if there is
// none. The opening is committed when it returns. Errors name the file.
func Open(dir string, opts stream.StoreOptions) (*Log, error) {
	path := filepath.Join(dir, fileName)
	l := &Log{
		path:    path,
		opts:    opts,
		readers: make(chan *reader, readers),
		feeds:   make(map[string]*feed),
		byNo:    make(map[int64]*feed),
		done:    make(chan struct{}),
	}
	l.queue.more = make(chan struct{}, 1)
	if l.opts.Now == nil {
		l.opts.Now = time.Now
	}
	err := l.open()
	if err == nil {
		err = l.identify()
	}
	if err != nil {
		l.abandon()
		return nil, fmt.Errorf("open the store %s: %w", path, explain(err))
	}
	go l.run()
	return l, nil
}

func (l *Log) open() error {
	if _, err := os.Stat(l.path); errors.Is(err, fs.ErrNotExist) {
		if err := create(l.path); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	conn, err := connect(l.path, "PRAGMA cache_size = -16000")
	if err != nil {
		return err
	}
	l.w.conn = conn
	if err := verify(conn); err != nil {
		return err
	}
	if err := l.w.prepare(); err != nil {
		return err
	}
	if err := l.load(); err != nil {
		return err
	}
	if err := l.recordOpening(); err != nil {
		return err
	}
	l.measure()
	for range readers {
		r, err := newReader(l.path)
		if err != nil {
			return err
		}
		l.readers <- r
	}
	return nil
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
func (l *Log) Openings() []stream.Opening { return l.openings }

// Durability implements stream.Engine: acknowledged is on disk.
func (l *Log) Durability() string { return "fsync" }

// Watch implements stream.Log.
func (l *Log) Watch(fn func(stream.Commit)) stream.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch = fn
	return l.newestLocked()
}

// newestLocked returns the newest position: of the store's last item, or of
// this opening.
func (l *Log) newestLocked() stream.ID {
	newest := l.openings[len(l.openings)-1].Time
	for _, f := range l.feeds {
		newest = max(newest, f.newest)
	}
	return newest
}

// Usage implements stream.Keeper.
func (l *Log) Usage() stream.Usage {
	l.mu.RLock()
	feeds := len(l.feeds)
	l.mu.RUnlock()
	return stream.Usage{
		Feeds: feeds,
		Items: int(l.usage.items.Load()),
		Keys:  int(l.usage.keys.Load()),
		Bytes: l.usage.bytes.Load(),
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
		r := <-l.readers
		errs = append(errs, r.conn.Close())
	}
	return errors.Join(append(errs, l.w.conn.Close())...)
}

// abandon closes what a failed Open has opened.
func (l *Log) abandon() {
	close(l.readers)
	for r := range l.readers {
		r.conn.Close()
	}
	if l.w.conn != nil {
		l.w.conn.Close()
	}
}

// Floor implements stream.Log.
func (l *Log) Floor(ctx context.Context, id stream.ID) (stream.ID, error) {
	floor := l.openings[0].Time
	for _, o := range l.openings {
		if o.Time <= id {
			floor = max(floor, o.Time)
		}
	}
	l.mu.RLock()
	for _, f := range l.feeds {
		for _, p := range [...]stream.ID{f.newest, f.lost} {
			if p <= id {
				floor = max(floor, p)
			}
		}
	}
	if l.forgotten <= id {
		floor = max(floor, l.forgotten)
	}
	l.mu.RUnlock()
	err := l.page(ctx, func(r *reader) error {
		r.floor.BindInt64(1, int64(id))
		n, err := number(r.floor)
		floor = max(floor, stream.ID(n))
		return err
	})
	return floor, err
}
