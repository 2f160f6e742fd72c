package sqlitelog

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"feedd/internal/stream"
)

const (
	// leastReserve is how little the reserve may be: a WAL as long as walLimit
	// then allows takes it all the same.
	leastReserve = 256 << 10
	// dearAppend is from what cost on the disk is asked about its room before
	// the append, and not only once in lookEvery.
	dearAppend = 1 << 20
	// itemCost is what an item takes up beside its bytes, in its row and in the
	// index: about 40 bytes.
	itemCost = 64
	// scantRows is how many rows go at a time on a full disk without a reserve:
	// what such a commit writes must have room in the WAL.
	scantRows = 20
	// openingRoom is what there must be for an opening to be tried: the WAL, its
	// index, and what it writes take up to 100 KiB.
	openingRoom = 256 << 10
)

// room is what the committer knows of the disk. Publishing needs the reserve,
// and some room beside it; it stops before all is used up, so that what makes
// room (deleting, purging, trimming) and what other files need still works.
// Where another program fills the disk, or a quota ends, the reserve is given
// up for that.
type room struct {
	dir     string
	reserve reserve
	low     int64 // publishing stops when less is free
	free    int64 // when it was looked at last, less what was committed since
	full    bool  // publishing has stopped
	warned  time.Time
	held    atomic.Int64 // size of the reserve that is held
}

func newRoom(dir string, opts *stream.StoreOptions) room {
	size := opts.Reserve
	if size > 0 {
		disk, _ := diskSize(dir)
		if opts.Bytes > 0 {
			size = min(size, opts.Bytes/4)
		}
		size = max(min(size, disk/8), leastReserve)
	}
	return room{dir: dir, reserve: newReserve(dir, size), low: size / 2, free: math.MaxInt64}
}

// margin is what must be free beyond low before publishing begins again, so
// that it does not stop at once: a batch that needs more is refused alone.
func (r *room) margin() int64 { return r.low / 2 }

// room refuses an append of so many bytes and items where the store holds as
// much as it may, or the disk has no room for it.
func (t *tx) room(size, items int) error {
	if n, most := t.l.usage.bytes.Load()+t.written, t.l.opts.Bytes; most > 0 && n+int64(max(size, 1)) > most {
		wal := ""
		if t.l.wal.stuck() {
			wal = fmt.Sprintf(", %d of them in the WAL, which cannot be moved because another program reads or locks the database", t.l.wal.bytes.Load())
		}
		return refusal{fmt.Errorf("%w: it holds %d of %d bytes%s", stream.ErrFull, n, most, wal)}
	}
	r := &t.w.room
	needs := 2 * int64(size+itemCost*items) // in the WAL, and when it is moved
	if needs >= dearAppend {
		_, r.free = diskSize(r.dir)
		r.free -= t.cost
	}
	if !r.full && r.free < r.low+needs && needs <= r.margin() {
		t.l.stopForRoom(nil)
	}
	if r.full || r.free < r.low+needs {
		return refusal{fmt.Errorf("%w: what is left is kept for what makes room", stream.ErrNoSpace)}
	}
	r.free -= needs
	t.cost += needs
	return nil
}

// startRoom takes the reserve when the store was opened.
func (l *Log) startRoom() {
	r := &l.w.room
	if err := r.reserve.take(); err != nil {
		l.stopForRoom(err)
	}
	r.noteReserve()
	l.lookAtDisk(false)
}

// lookAtDisk stops publishing when the disk is nearly full. At a tick it looks
// whether there is room again.
func (l *Log) lookAtDisk(tick bool) {
	r := &l.w.room
	_, r.free = diskSize(r.dir)
	if tick && r.reserve.gone() {
		r.reserve.held = false
		r.noteReserve()
		l.opts.Logger.Warn("the reserve of the disk was removed: it is made again", "file", r.reserve.path)
	}
	switch {
	case r.free < r.low && !r.full:
		l.stopForRoom(nil)
	case tick && !r.full && !r.reserve.held && r.reserve.size > 0 && !l.findRoom():
		l.stopForRoom(nil)
	case tick && r.full && l.findRoom():
		r.full = false
		l.opts.Logger.Info("the disk has room again: publishing goes on")
	}
}

// findRoom reports whether the disk has room for publishing.
func (l *Log) findRoom() bool {
	r := &l.w.room
	needs := r.low + r.margin()
	if !r.reserve.held {
		needs += r.reserve.size
	}
	if r.free < needs {
		return false
	}
	if err := r.reserve.take(); err != nil {
		return false
	}
	r.noteReserve()
	// A quota is not seen otherwise.
	return r.low == 0 || r.reserve.fits(r.low+r.margin()) == nil
}

func (r *room) noteReserve() {
	r.held.Store(0)
	if r.reserve.held {
		r.held.Store(r.reserve.size)
	}
}

// stopForRoom stops publishing until the disk has room again. The error is that
// of a write, nil where none has failed yet.
func (l *Log) stopForRoom(err error) {
	r := &l.w.room
	r.full = true
	if err != nil {
		_, r.free = diskSize(r.dir) // less than was known
	}
	if time.Since(r.warned) > warnEvery {
		r.warned = time.Now()
		l.opts.Logger.Warn("the disk is full: publishing stops until there is room", "dir", r.dir, "free", r.free, "err", err)
	}
}

// makeRoom helps an operation that makes room and found none itself: the first
// time it moves the WAL, so that it starts again at its beginning, the second
// time it gives the reserve up for that. It reports whether it is worth another
// try.
func (l *Log) makeRoom(try int) bool {
	if try > 0 && !l.giveReserve() {
		return false
	}
	l.moveWALNow()
	return true
}

// giveReserve gives the reserve up, and reports whether there was one.
func (l *Log) giveReserve() bool {
	r := &l.w.room
	if !r.reserve.release() {
		return false
	}
	r.noteReserve()
	l.opts.Logger.Warn("the disk is full: its reserve is given up for what makes room", "dir", r.dir, "bytes", r.reserve.size)
	return true
}

// rows bounds how many rows are deleted in one commit.
func (r *room) rows(n int) int {
	if r.full && !r.reserve.held {
		return min(n, scantRows)
	}
	return n
}

// full reports whether an error of SQLite's means that the disk is full. SQLite
// says so of ENOSPC in a write alone: of a quota, and of the WAL's index, it
// does not say why the write failed.
func (l *Log) full(err error) bool {
	switch code := sqlite.ErrCode(err); code {
	case sqlite.ResultIOErrWrite, sqlite.ResultIOErrSHMSize, sqlite.ResultIOErrSHMOpen, sqlite.ResultIOErrSHMMap:
		return lacksRoom(l.w.room.reserve.fits(openingRoom))
	default:
		return code.ToPrimary() == sqlite.ResultFull || lacksRoom(err)
	}
}

// before reports whether an error of a commit came before its end was written.
func before(err error) bool {
	code := sqlite.ErrCode(err)
	return code.ToPrimary() == sqlite.ResultFull || code == sqlite.ResultIOErrWrite
}

// unwritable reports whether an error of opening the store means that it can be
// read at most: no room, no permission, a disk that is mounted read-only.
func (l *Log) unwritable(err error) bool {
	if errors.Is(err, stream.ErrNoSpace) || l.full(err) || forbidsWriting(err) {
		return true
	}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultReadOnly, sqlite.ResultCantOpen, sqlite.ResultPerm:
		return true
	}
	return false
}
