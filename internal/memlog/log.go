package memlog

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"feedd/internal/ordered"
	"feedd/internal/stream"
)

// sweepEvery is how often the committer looks for items, keys and feeds whose
// time has run out. Retention by age is set in seconds, so it is late by less
// than that.
const sweepEvery = 500 * time.Millisecond

// Log is a store in memory. All methods may be called from any goroutine.
type Log struct {
	// Immutable after Open.
	opts    stream.StoreOptions
	now     func() time.Time
	opening stream.Opening
	tasks   chan *task    // to the committer, unbuffered: what it took it finishes
	closing chan struct{} // closed by Close
	done    chan struct{} // closed when the committer has ended

	close sync.Once

	// names are the feeds that there are. The map is immutable and replaced as a
	// whole: patterns are looked up in it without the mutex.
	names atomic.Pointer[ordered.Map[string, *feed]]

	// mu guards the fields below. Only the committer writes them, holding mu;
	// others read them holding mu. Nothing that blocks is done under it, and
	// neither hooks nor the OnCommit function are called.
	mu       sync.RWMutex
	onCommit func(stream.Commit)
	state
}

// state is what the store holds.
type state struct {
	last  stream.ID // the newest position
	feeds map[string]*feed
	all   []*entry // all feeds, by id; what was removed is marked and compacted later
	live  int      // entries of all that are not removed
	ttls  ttlHeap  // the live entries that run out by themselves
	keys  keyTable
	// sources are how far each was taken over, by name. The committer alone
	// looks at it.
	sources map[string]string
	bytes   int64 // what StoreOptions.Bytes bounds, see cost.go
	// highest is the largest lost of all feeds and of forgotten: a reader above
	// it lost nothing, with any selection.
	highest stream.ID
	// forgotten is the loss of feeds that are no longer known. It counts for
	// every selection that may have held one of them.
	forgotten mark
}

// mark is how far something was lost, and why. The zero mark is no loss.
type mark struct {
	id     stream.ID
	reason stream.Reason
}

// raise moves the mark up to id.
func (m *mark) raise(id stream.ID, reason stream.Reason) {
	if id > m.id {
		*m = mark{id, reason}
	}
}

var _ stream.Engine = (*Log)(nil)

// Open returns an empty store, which was opened now. Close ends its goroutine.
func Open(opts stream.StoreOptions) *Log {
	l := &Log{
		opts:    opts,
		now:     opts.Now,
		tasks:   make(chan *task),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		state: state{
			feeds:   make(map[string]*feed),
			sources: make(map[string]string),
			keys:    newKeyTable(opts.Keys, opts.KeyAge),
		},
	}
	if l.now == nil {
		l.now = time.Now
	}
	l.opening = stream.Opening{Time: max(1, stream.IDAt(l.now()))}
	l.last = l.opening.Time
	l.names.Store(new(ordered.Map[string, *feed]))
	go l.commit()
	return l
}

// Durability implements [stream.Engine].
func (l *Log) Durability() string { return "memory" }

// Openings implements [stream.Log]: a store in memory is opened once.
func (l *Log) Openings() []stream.Opening { return []stream.Opening{l.opening} }

// OnCommit implements [stream.Log].
func (l *Log) OnCommit(fn func(stream.Commit)) stream.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onCommit = fn
	return l.last
}

// Close implements [stream.Log]. What the committer has not taken yet
// fails with ErrClosed; what it works on is finished and answered.
func (l *Log) Close() error {
	l.close.Do(func() { close(l.closing) })
	<-l.done
	return nil
}

// usable reports why a call cannot be answered: the log is closed, or ctx has
// ended.
func (l *Log) usable(ctx context.Context) error {
	select {
	case <-l.closing:
		return stream.ErrClosed
	default:
		return ctx.Err()
	}
}
