package sqlitelog

import (
	"sync/atomic"
	"time"

	"feedd/internal/disk"
	"feedd/internal/sqlitelog/database"
)

const (
	// walLength is how long the WAL may become before it is moved into the
	// database, at most. A shorter one is moved more often, which writes pages
	// again that change in each commit; a longer one shuts the gate for longer.
	// It is a part of what the store may hold, and of the reserve, because to move
	// it takes as much room in the database.
	walLength = 8 << 20
	// warnEvery is how often the logger says that the WAL cannot be moved: an
	// operator finds the line, and it does not come for each try.
	warnEvery = time.Minute
	// lookEvery is after how many bytes committed the sizes of the database and
	// the WAL are looked at, beside once in upkeepEvery. SQLite prepares each such
	// pragma anew: the three take up to 100 us, as a small commit does.
	lookEvery = 256 << 10
	// lookCommit is what a commit counts for besides its items: small ones write
	// some pages of 4 KiB each.
	lookCommit = 16 << 10
)

// wal is what the committer knows of the WAL.
type wal struct {
	path  string
	limit int64 // bytes: see walLength
	// tried is how many pages were in it when not all could be moved, because
	// another program reads the database; else 0.
	tried  int64
	failed int       // how often in a row
	warned time.Time // when that was logged

	bytes   atomic.Int64  // of its file
	unmoved atomic.Uint64 // how often not all could be moved
}

// walLimit returns the limit for a store that may hold at most bytes, and for a
// reserve; each 0 for none. An eighth of the store leaves most of it to items;
// half of the reserve leaves room for moving it.
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

// stuck reports whether another program keeps the WAL from being moved. Then each
// write makes it longer.
func (w *wal) stuck() bool { return w.tried > 0 }

// look takes the measure of the database, the WAL and the disk. Once in
// upkeepEvery it is a tick, which tries again what could not be done before.
func (l *Log) look(tick bool) {
	l.w.upkeep.unlooked = 0
	l.measure()
	l.moveWAL(tick)
	l.room.Look(tick)
}

// measure notes how much the database and the WAL hold. If SQLite does not tell,
// what was noted last stands.
func (l *Log) measure() {
	pages, err := database.Number(l.w.pages)
	if err != nil {
		return
	}
	free, err := database.Number(l.w.freePages)
	if err != nil {
		return
	}
	u := &l.w.upkeep
	u.pages, u.free = pages, free
	if !l.wal.stuck() {
		pages -= free // they are used before the file grows
	}
	l.wal.bytes.Store(disk.FileSize(l.wal.path))
	l.usage.bytes.Store(pages*l.w.pageSize + l.wal.bytes.Load())
}

// moveWAL moves the WAL into the database once it is long. It waits for the
// pages that are being read, and lets no new one begin: only then can all of
// it be moved, so that it starts again at its beginning.
func (l *Log) moveWAL(tick bool) {
	w := &l.wal
	pages, moved, err := database.Checkpoint(l.w.walSize)
	if err != nil {
		return
	}
	limit := w.limit / l.w.pageSize
	// A WAL that could not be moved is tried again when an eighth more is in it, so
	// that not each commit tries.
	again := w.tried + limit/8
	switch {
	case pages == moved && !w.long():
		w.tried, w.failed = 0, 0
	case pages == moved, w.stuck() && tick, pages > limit && pages > again:
		l.moveWALNow()
	}
}

// long reports whether the WAL's file is to be cut. To make it longer again takes
// time, so it is cut only if it is much longer than one large commit makes it.
func (w *wal) long() bool {
	size := w.bytes.Load()
	return size > 4*w.limit || size > 2*w.limit && w.stuck()
}

// moveWALNow moves what can be moved, and cuts the WAL's file if it was long.
func (l *Log) moveWALNow() {
	w := &l.wal
	if w.bytes.Load() > 2*w.limit {
		// Most of it is moved while pages are read, so that the gate is not shut
		// for long.
		database.Checkpoint(l.w.walMove)
	}
	l.gate.Lock()
	pages, moved, err := database.Checkpoint(l.w.walMove)
	if err == nil && moved == pages && w.long() {
		// It must not wait for another program that reads.
		l.w.conn.SetBusyTimeout(0)
		_, _, err = database.Checkpoint(l.w.walCut)
		l.w.conn.SetBusyTimeout(database.BusyTimeout)
	}
	l.gate.Unlock()
	switch {
	case err != nil && l.full(err):
		l.room.Stop(err)
	case err != nil, moved < pages:
		w.tried = max(pages, 1)
		w.failed++
		w.unmoved.Add(1)
	default:
		w.tried, w.failed = 0, 0
	}
	l.measure()
	// A program that only looks in for a moment is no trouble.
	if w.failed > 1 && time.Since(w.warned) > warnEvery {
		w.warned = time.Now()
		l.opts.Logger.Warn("the WAL cannot be moved into the database and grows, because another program reads or locks the database; it shrinks when that ends",
			"bytes", w.bytes.Load(), "err", err)
	}
}

// giveBack returns free pages to the file system, a few at a time, once they
// are many; it reports whether it did something.
func (l *Log) giveBack() bool {
	u := &l.w.upkeep
	free := u.free
	if free > max(8*vacuumPages, u.pages/4) || l.room.Stopped() && free > 0 {
		u.vacuum = true
	}
	if !u.vacuum || l.wal.stuck() || time.Now().Before(u.retryAt) {
		return false
	}
	if err := database.Run(l.w.vacuum); err != nil {
		u.failed()
		if !l.full(err) || !l.room.GiveReserve() {
			return false
		}
	}
	l.measure()
	if u.free <= vacuumPages || u.free >= free {
		if u.free >= free {
			u.failed()
		}
		u.vacuum = false
		l.moveWALNow() // only now does the file become shorter
	} else {
		l.moveWAL(false)
	}
	return true
}
