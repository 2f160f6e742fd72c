package stream

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"feedd/internal/selector"
)

// The errors that a caller of a Log tells apart. An error wraps one of these if
// it applies. Any other error of Append, Delete or Purge means that nothing was
// changed.
var (
	// ErrInvalid: the batch or the position asked for is not well-formed.
	ErrInvalid = errors.New("invalid")
	// ErrKeyReused: the key was used in this feed with another batch.
	ErrKeyReused = errors.New("the Idempotency-Key was used with another body, event or ttl")
	// ErrFull: the store holds as many bytes as it may.
	ErrFull = errors.New("the store is full")
	// ErrNoSpace: the disk has no room, or only the reserve, which is kept for
	// operations that make room.
	ErrNoSpace = errors.New("the disk is full")
	// ErrReadOnly: the store cannot be written, as on a disk that is mounted
	// read-only. It can be read.
	ErrReadOnly = errors.New("the store can only be read")
	// ErrTooManyFeeds: the batch would make one feed more than configured.
	ErrTooManyFeeds = errors.New("the store has as many feeds as it may have")
	// ErrOutcomeUnknown: the store failed in the middle of a commit, so the
	// batch may be stored or not. A retry with the same key settles it.
	ErrOutcomeUnknown = errors.New("the store failed in the middle of a commit")
	// ErrDetached: the files that are open are not the ones that the next start
	// would open, so what is stored now would not be found again.
	ErrDetached = errors.New("the store is not in its place")
	// ErrClosed: the log or hub was closed.
	ErrClosed = errors.New("the store is closed")
)

// UnfinishedError says that a caller stopped waiting before the log was done.
// The log still holds what the caller gave it, and may still do what the caller
// asked.
type UnfinishedError struct {
	Err error // that of the context
	// Done is closed once the log has let go of what the caller gave it.
	Done <-chan struct{}
}

func (e *UnfinishedError) Error() string { return e.Err.Error() }

// Unwrap returns the context's error.
func (e *UnfinishedError) Unwrap() error { return e.Err }

// Log is an ordered, durable sequence of items over many feeds. It is all that
// a Hub needs of an engine; package streamtest holds the suite that every Log
// must pass. All methods may be called from any goroutine.
type Log interface {
	// Append commits the batch and returns its receipt. It returns nil only
	// when the batch is committed as the engine's durability says (P2).
	//
	// A batch with a Key that was committed before, within the log's bounds on
	// age and number of keys, is not stored again: the first receipt is
	// returned with Replayed set (P7), or ErrKeyReused when its drafts differ.
	// That holds also while the first is not committed yet: the repeat waits
	// for it, and shares its outcome.
	//
	// A batch with a Source replaces what was stored under its name, in the same
	// commit as its drafts: afterwards both are there, or neither. Without drafts
	// OnCommit does not tell of it, and its receipt counts no items.
	//
	// When ctx ends, Append stops waiting and returns the error of ctx. If the
	// log still holds the batch, that is an UnfinishedError, and the batch may
	// still be committed.
	Append(ctx context.Context, b Batch) (Receipt, error)

	// SourceAt returns what the last committed batch with a Source of this name
	// said, "" if there was none. It waits for the batches that the log took
	// before, also for a batch whose Append stopped waiting. So no batch that may
	// still be committed can make the answer outdated. Sources are never
	// forgotten; their number is that of the names that were ever configured.
	SourceAt(ctx context.Context, name string) (string, error)

	// Read returns a page, answered from one snapshot of the log.
	Read(ctx context.Context, q Query) (Page, error)

	// Floor returns the largest position at or below id that the log knows, or
	// the first opening if there is none.
	Floor(ctx context.Context, id ID) (ID, error)

	// Openings returns each opening of the store, oldest first, at least one. The
	// last one is the present one. If the store can only be read at the moment,
	// the present opening is not committed yet and is missing; OnCommit tells of
	// it once it is committed. Nothing else changes the openings while the log is
	// open.
	Openings() []Opening

	// OnCommit sets the function that is told of each commit, and returns the
	// newest position at that moment. It is called once, before the first
	// Append. The log calls fn from one goroutine at a time, in the order of
	// commits, after the commit and before its Append returns. fn must not
	// block and must not call the log.
	OnCommit(fn func(Commit)) ID

	// Close ends the log: batches that were taken are committed and answered,
	// later calls fail with ErrClosed. A second Close does nothing.
	Close() error
}

// Keeper is what an operator asks of a store, beyond publishing and reading.
type Keeper interface {
	// Feeds returns the state of every feed that matches, by name.
	Feeds(ctx context.Context, match selector.Selection) ([]FeedInfo, error)
	// Delete removes one item; that is no loss (P4). It reports whether there
	// was one.
	Delete(ctx context.Context, feed string, id ID) (bool, error)
	// Purge removes every item that the feed has now, and records the loss. It
	// returns how many there were.
	Purge(ctx context.Context, feed string) (int, error)
	// SetRetention sets the retention of one feed, above what the configuration
	// says; nil takes that back. If the feed does not exist, it is made.
	SetRetention(ctx context.Context, feed string, r *Retention) error
	// Probe commits something, and so proves that publishing works. It fails with
	// ErrFull if a publish would.
	Probe(ctx context.Context) error
	// Usage returns how much the store holds.
	Usage() Usage
}

// Engine is what an implementation of the store provides.
type Engine interface {
	Log
	Keeper
	// Durability says what an acknowledgement means: "fsync" (on disk) or
	// "memory" (gone with the process).
	Durability() string
}

// Query asks for the items that Select matches, above After and at or below
// UpTo.
type Query struct {
	Select selector.Selection
	After  ID
	UpTo   ID
	// Backward asks for the newest such items rather than the oldest. The page
	// is ascending all the same.
	Backward bool
	// Items and Bytes bound the page: at most Items items of together at most
	// Bytes (data and event names), but one item is returned whatever its
	// size. Both are above 0.
	Items, Bytes int
	// LossTold is the loss that the reader knows of: Page.Loss is nil unless there
	// is one above both LossTold and After.
	LossTold ID
}

// Page is the answer to a Query. A page may have no items and More set: the log
// has looked at as many as it does at a time, and none matched.
type Page struct {
	Items []Item // ascending by id; expired items are left out
	// Through is how far the log looked: Items has every selected item in (After,
	// Through]. It is a position, or After, or UpTo. With Backward the range is
	// (Through, UpTo], and Through may be any number in it.
	Through ID
	// More says that the log stopped before the end of the range: ask again
	// from Through.
	More bool
	// Loss tells of items selected after After that are gone. With Backward the
	// log does not look for losses. The event names of a selection do not matter
	// here, because the log does not keep those of lost items.
	Loss *Loss
}

// Loss says what was lost to a selection, all seen in the page's snapshot.
type Loss struct {
	Through ID     // the highest id that was lost to a selected feed
	Reason  Reason // of that one
	Oldest  ID     // the first retained item above After, 0 for none
	// Resume is the position of a reader that was told of the loss: the highest
	// loss below Oldest, so that it skips no retained item of another feed; After
	// if there is no such loss.
	Resume ID
	// Feeds names the feeds that lost something after After, at most
	// MaxGapFeeds, sorted. It may be empty: the feed itself was forgotten.
	Feeds []string
}

// MaxGapFeeds is how many feeds a loss or gap names at most. 16 names of at
// most 128 characters are 2 KiB, so the notice stays small even if a pattern
// lost items in all feeds of a store.
const MaxGapFeeds = 16

// Reason says why items are gone.
type Reason string

const (
	Trimmed Reason = "trimmed" // by retention
	Purged  Reason = "purged"  // by an operator
	Unknown Reason = "unknown" // the position was not given by this store
)

// Opening records that a store was opened: ids strictly between Last and Time
// were not given by it. So a position in that hole comes from another store,
// or from this one before an older copy was restored.
type Opening struct {
	Last ID // the newest position before the opening, 0 for none
	Time ID // the opening's own position
}

// Commit tells what one commit changed. Its items are shared and immutable.
type Commit struct {
	// Opening is the present opening of the store, if it could not be committed
	// before: see Log.Openings.
	Opening *Opening
	Items   []Item // ascending by id
	// Before holds, for each of Items, an id below it such that nothing of its
	// feed lies, or lay, strictly between: that of the item before it in the
	// feed, retained or not, or 0 for the first ever. An engine that does not
	// know gives Items[i].ID - 1.
	Before []ID
	// Trimmed and Purged say that a feed's items up to an id are gone, by
	// retention or because an operator purged them. Removed says that single
	// items are (deleted or expired).
	Trimmed []Removal
	Purged  []Removal
	Removed []Removal
}

// Removal names one item, or with Commit.Trimmed and Commit.Purged all of a
// feed up to it.
type Removal struct {
	Feed string
	ID   ID
}

// Retention bounds the backlog of a feed. A bound of 0 is none.
type Retention struct {
	MaxItems int           // at most this many items
	MaxBytes int64         // of together at most this many bytes (Item.Size); the newest item always stays
	MaxAge   time.Duration // none older than this
}

// FeedInfo is the state of a feed.
type FeedInfo struct {
	Name   string
	Items  int
	Bytes  int64
	Oldest ID // 0: the feed is empty
	Newest ID // of the newest item ever, retained or not
	Lost   ID // the highest id that was lost, 0 for none
	// Retention is in force; Own says that it was set for this feed alone, with
	// SetRetention.
	Retention Retention
	Own       bool
}

// Usage is how much a store holds.
type Usage struct {
	Feeds int
	Items int
	Keys  int   // idempotency keys
	Bytes int64 // on disk, or in memory: what StoreOptions.Bytes bounds
	// WAL is how many of Bytes are in the database's write-ahead log, which has
	// yet to be moved into the database. Unmoved is how often a move left
	// something behind.
	WAL     int64
	Unmoved uint64
	// Reserve is how many bytes of the disk are kept for operations that make
	// room; they are not in Bytes.
	Reserve int64
}

// StoreOptions is what every engine takes. The zero value has no bounds.
type StoreOptions struct {
	// Retention returns the configured retention of a feed; nil: no bounds.
	Retention func(feed string) Retention
	// KeyAge and Keys bound the idempotency keys that are remembered. 0: no
	// bound.
	KeyAge time.Duration
	Keys   int
	// Feeds and Bytes bound the store: ErrTooManyFeeds, ErrFull. 0: no bound.
	Feeds int
	Bytes int64
	// Reserve is how many bytes of the disk a durable engine keeps for operations
	// that make room, so that a full disk is no dead end: ErrNoSpace. It keeps
	// less if the disk or Bytes is small. 0: nothing.
	Reserve int64
	// Logger takes what the operator should know; nil: it is dropped.
	Logger *slog.Logger
	// Guard, if it is set, says whether the next start would find what is stored
	// now, beyond what an engine knows of its own files: nil, or an error that
	// wraps ErrDetached. The committer calls it before a commit, which fails
	// then, and before the answers, but not each time. It must be quick. An
	// engine in memory has no next start, and does not call it.
	Guard func() error
	// Now is the clock; nil: time.Now. Tests set it.
	Now func() time.Time
	// BeforeCommit and AfterCommit are called by the committer around each
	// commit of batches; an error makes the commit fail before anything is
	// written, or after everything is. Tests set them, to hold a batch open or
	// to lie about it.
	BeforeCommit, AfterCommit func() error
}
