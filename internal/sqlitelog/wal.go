package sqlitelog

import (
	"os"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"
)

const (
	// walLength is how long the WAL may become before it is moved into the
	// database, at most. It is a part of what the store may hold, and of the
	// reserve: to move it takes as much room in the database.
	walLength = 8 << 20
	// busyTimeout is how long a connection waits for a lock: somebody with the
	// sqlite3 tool may hold one for a moment.
	busyTimeout = 5 * time.Second
	// warnEvery is how often the same trouble is logged.
	warnEvery = time.Minute
)

// wal is what the committer knows of the WAL.
type wal struct {
	limit int64 // bytes: see walLength
	// tried is how many pages were in it when it could not be moved whole, since
	// somebody else reads the database; else 0.
	tried  int64
	failed int       // how often in a row
	warned time.Time // when that was logged

	bytes   atomic.Int64  // of its file
	unmoved atomic.Uint64 // how often something was left
}

// walLimit returns the limit for a store that may hold so many bytes, and for
// a reserve; each 0 for none.
func walLimit(bytes, reserve int64) int64 {
	limit := int64(walLength)
	if bytes > 0 {
		limit = min(limit, bytes/8)
	}
	if reserve > 0 {
		limit = min(limit, reserve/2)
	}
	return limit
}

// stuck reports whether somebody else keeps the WAL from being moved. Then
// whatever is written makes it longer.
func (w *wal) stuck() bool { return w.tried > 0 }

// look takes the measure of the database, the WAL and the disk. Once in
// upkeepEvery it is a tick, which tries again what could not be done before.
func (l *Log) look(tick bool) {
	l.w.upkeep.unlooked = 0
	l.measure()
	l.moveWAL(tick)
	l.lookAtDisk(tick)
}

// measure notes how much the database and the WAL hold. Where that cannot be
// told, what was noted last stands.
func (l *Log) measure() {
	pages, err := number(l.w.pages)
	if err != nil {
		return
	}
	free, err := number(l.w.freePages)
	if err != nil {
		return
	}
	u := &l.w.upkeep
	u.pages, u.free = pages, free
	if !l.wal.stuck() {
		pages -= free // they are used before the file grows
	}
	l.wal.bytes.Store(fileSize(l.files.Load().walPath))
	l.usage.bytes.Store(pages*l.w.pageSize + l.wal.bytes.Load())
}

// fileSize returns the size of a file, 0 for one that is not there.
func fileSize(name string) int64 {
	info, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return info.Size()
}

// moveWAL moves the WAL into the database once it is long. It waits for the
// pages that are being read, and lets no new one begin: only then can all of
// it be moved, so that it starts again at its beginning.
func (l *Log) moveWAL(tick bool) {
	w := &l.wal
	pages, moved, err := checkpoint(l.w.walSize)
	if err != nil {
		return
	}
	limit := w.limit / l.w.pageSize
	switch {
	case pages == moved && !w.long():
		w.tried, w.failed = 0, 0
	case pages == moved, w.stuck() && tick, pages > limit && pages > w.tried+limit/8:
		l.moveWALNow()
	}
}

// long reports whether the WAL's file shall be cut. It is not, but for a reason:
// to make it longer again takes time.
func (w *wal) long() bool {
	size := w.bytes.Load()
	return size > 4*w.limit || size > 2*w.limit && w.stuck()
}

// moveWALNow moves what can be moved, and cuts the WAL's file where it was
// long.
func (l *Log) moveWALNow() {
	w := &l.wal
	if w.bytes.Load() > 2*w.limit {
		// Most of it goes beside those who read, so that the gate is not shut
		// for long.
		checkpoint(l.w.walMove)
	}
	l.gate.Lock()
	pages, moved, err := checkpoint(l.w.walMove)
	if err == nil && moved == pages && w.long() {
		// Somebody else who reads must not make it wait.
		l.w.conn.SetBusyTimeout(0)
		_, _, err = checkpoint(l.w.walCut)
		l.w.conn.SetBusyTimeout(busyTimeout)
	}
	l.gate.Unlock()
	switch {
	case err != nil && l.full(err):
		l.stopForRoom(err)
	case err != nil, moved < pages:
		w.tried = max(pages, 1)
		w.failed++
		w.unmoved.Add(1)
	default:
		w.tried, w.failed = 0, 0
	}
	l.measure()
	// One who only looks in for a moment is no trouble.
	if w.failed > 1 && time.Since(w.warned) > warnEvery {
		w.warned = time.Now()
		l.opts.Logger.Warn("the WAL cannot be moved into the database and grows, because another program reads or locks the database; it shrinks when that ends",
			"bytes", w.bytes.Load(), "err", err)
	}
}

// checkpoint runs a wal_checkpoint pragma: how many pages are in the WAL, and
// how many of them are in the database already.
func checkpoint(stmt *sqlite.Stmt) (pages, moved int64, err error) {
	row, err := stmt.Step()
	if err == nil && row {
		pages, moved = stmt.ColumnInt64(1), stmt.ColumnInt64(2)
	}
	return pages, moved, reset(stmt, err)
}
