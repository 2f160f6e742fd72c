package disk

import (
	"log/slog"
	"math"
	"sync/atomic"
	"time"
)

const (
	// leastReserve is the smallest reserve. The store keeps its WAL shorter than
	// half the reserve, and 128 KiB are the pages of a few commits.
	leastReserve = 256 << 10
	// dearNeed is from what need on the disk is asked about its free space at once.
	// Smaller needs add up to little between two looks, of which there is one every
	// 256 KiB.
	dearNeed = 1 << 20
	// trialSize is what there must be room for before the store is opened for
	// writing, or an error of unclear cause is taken for one of a full disk. The
	// WAL, its index and what an opening writes take up to 100 KiB.
	trialSize = 256 << 10
	// warnEvery is how often the logger says that the disk is full: an operator
	// finds the line, and it does not come for each refused publish.
	warnEvery = time.Minute
)

// Room decides whether publishing may take room on the disk. Publishing needs the
// reserve, and some room beside it; it stops before all is used up, so that
// operations that make room (deleting, purging, trimming) and other files still
// have some. If another program fills the disk, or a quota ends, the reserve is
// given up for these operations.
//
// The goroutine that writes the store calls all methods; only Held may be
// called by others.
type Room struct {
	dir     string
	logger  *slog.Logger
	reserve reserve
	low     int64 // publishing stops when less is free
	free    int64 // when it was looked at last, less what was taken after that
	stopped bool
	warned  time.Time
	held    atomic.Int64 // size of the reserve that is held, else 0
}

// NewRoom returns the room of the disk that holds the directory dir. Reserve is
// the size of the reserve in bytes, 0 for none. It is at most an eighth of the
// disk, and a quarter of store, the bytes that the store may hold (0: no bound).
func NewRoom(dir string, reserve, store int64, logger *slog.Logger) *Room {
	if reserve > 0 {
		all, _ := size(dir)
		if store > 0 {
			reserve = min(reserve, store/4)
		}
		reserve = max(min(reserve, all/8), leastReserve)
	}
	return &Room{dir: dir, logger: logger, reserve: newReserve(dir, reserve), low: reserve / 2, free: math.MaxInt64}
}

// margin is what must be free beyond low before publishing begins again, so
// that it does not stop at once. A batch that needs more is refused alone.
func (r *Room) margin() int64 { return r.low / 2 }

// Reserve returns the size of the reserve when it is held, 0 if there is none.
func (r *Room) Reserve() int64 { return r.reserve.size }

// Held returns how much of the disk is reserved now. Any goroutine may call it.
func (r *Room) Held() int64 { return r.held.Load() }

// Stopped reports whether publishing has stopped because the disk is full.
func (r *Room) Stopped() bool { return r.stopped }

// Scant reports whether the disk is full and the reserve used up, so that even
// operations that make room must be small.
func (r *Room) Scant() bool { return r.stopped && !r.reserve.held }

// Take takes bytes for a publish, and reports whether there was room for them.
// Pending is what was taken before and is not written yet.
func (r *Room) Take(bytes, pending int64) bool {
	if bytes >= dearNeed {
		_, r.free = size(r.dir)
		r.free -= pending
	}
	if !r.stopped && r.free < r.low+bytes && bytes <= r.margin() {
		r.Stop(nil)
	}
	if r.stopped || r.free < r.low+bytes {
		return false
	}
	r.free -= bytes
	return true
}

// Start takes the reserve when the store was opened.
func (r *Room) Start() {
	if err := r.reserve.take(); err != nil {
		r.Stop(err)
	}
	r.noteReserve()
	r.Look(false)
}

// Look stops publishing if the disk is nearly full. If retry is set it also looks
// whether there is room again, and makes a reserve that was removed.
func (r *Room) Look(retry bool) {
	_, r.free = size(r.dir)
	if retry && r.reserve.gone() {
		r.reserve.held = false
		r.noteReserve()
		r.logger.Warn("the reserve of the disk was removed: it is made again", "file", r.reserve.path)
	}
	switch {
	case r.free < r.low && !r.stopped:
		r.Stop(nil)
	case retry && !r.stopped && !r.reserve.held && r.reserve.size > 0 && !r.find():
		r.Stop(nil)
	case retry && r.stopped && r.find():
		r.stopped = false
		r.logger.Info("the disk has room again: publishing goes on")
	}
}

// find reports whether the disk has room for publishing.
func (r *Room) find() bool {
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
	// Only a trial finds a quota.
	return r.low == 0 || r.reserve.fits(r.low+r.margin()) == nil
}

func (r *Room) noteReserve() {
	r.held.Store(0)
	if r.reserve.held {
		r.held.Store(r.reserve.size)
	}
}

// Stop stops publishing until the disk has room again. The error is that of a
// write, nil if none has failed yet.
func (r *Room) Stop(err error) {
	r.stopped = true
	if err != nil {
		_, r.free = size(r.dir) // less than was known
	}
	if time.Since(r.warned) > warnEvery {
		r.warned = time.Now()
		r.logger.Warn("the disk is full: publishing stops until there is room", "dir", r.dir, "free", r.free, "err", err)
	}
}

// GiveReserve removes the reserve, so that an operation that makes room can use
// its blocks. It reports whether there was one.
func (r *Room) GiveReserve() bool {
	if !r.reserve.release() {
		return false
	}
	r.noteReserve()
	r.logger.Warn("the disk is full: its reserve is given up for what makes room", "dir", r.dir, "bytes", r.reserve.size)
	return true
}

// Try returns nil if there is room for opening the store, else the error of the
// file that was tried: see [IsFull] and [IsForbidden].
func (r *Room) Try() error { return r.reserve.fits(trialSize) }
