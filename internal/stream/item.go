package stream

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"feedd/internal/selector"
)

const (
	// MaxSourceName and MaxSourceAt bound a Source, in bytes, because the store
	// keeps sources for ever. They are room for a URL, which is the name by
	// default, and for the longest id that a client presents in a header.
	MaxSourceName = 256
	MaxSourceAt   = 4096
)

// ID is the id of a committed item, or another position on the log: a decimal
// integer in [1, MaxID], strictly increasing over all feeds of a store and
// never given twice. Clients see it as an opaque string. The zero ID stands
// before everything.
type ID int64

// MaxID is the largest id: a JavaScript number holds every integer up to here
// exactly (ECMA-262, Number.MAX_SAFE_INTEGER).
const MaxID ID = 1<<53 - 1

// String returns the id in decimal.
func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// ParseID reads an id as String writes it; leading zeros are allowed.
func ParseID(s string) (ID, bool) {
	n, err := strconv.ParseUint(s, 10, 53)
	return ID(n), err == nil && n > 0
}

// IDAt returns the id-like number of a time: Unix microseconds.
func IDAt(t time.Time) ID { return ID(t.UnixMicro()) }

// Time returns the time of an id that was given by a clock (see [IDAt]).
func (id ID) Time() time.Time { return time.UnixMicro(int64(id)).UTC() }

// Item is one committed item of a feed. It is immutable: it may be read from any
// goroutine, and neither it nor the bytes of Data are written to.
type Item struct {
	ID      ID
	Feed    string
	Event   string    // name, or "" for none
	Time    time.Time // of the commit, UTC, in microseconds
	Expires time.Time // when the item's own ttl runs out; zero: never
	JSON    bool      // Data is a JSON value; else it is text
	Data    []byte    // UTF-8; JSON without insignificant whitespace
}

// Expired reports whether the item's own ttl has run out at now.
func (it *Item) Expired(now time.Time) bool {
	return !it.Expires.IsZero() && !now.Before(it.Expires)
}

// Size is what the item counts towards a bound in bytes: its data and event
// name.
func (it *Item) Size() int { return len(it.Data) + len(it.Event) }

// Draft is an item before its commit.
type Draft struct {
	Event string        // name, or "" for none; see CheckEvent
	TTL   time.Duration // the item is gone after this long; 0: never
	JSON  bool          // Data is a JSON value; else it is text
	// Data is not empty, and UTF-8. It belongs to the log from Append on, also
	// when the wait was given up: it is not written to any more.
	Data []byte
}

// Batch is what one publish brings: drafts for one feed, committed together or
// not at all.
type Batch struct {
	Feed   string
	Drafts []Draft // at least one
	// Key is the Idempotency-Key, 1 to 128 printable ASCII characters, or ""
	// for none. Its scope is the feed.
	Key string
	// Source says where the drafts were taken from. It is stored in their
	// commit. Such a batch has no Key, and it may have no drafts: then it moves
	// the source, and makes no feed.
	Source Source
}

// Source names another server's feed, and says up to which event it was taken
// over into this store. The zero Source is none.
type Source struct {
	Name string // 1 to MaxSourceName bytes
	// At is the last event id that the other server gave, up to MaxSourceAt
	// bytes. It is opaque: no position of this store. "": there is none.
	At string
}

// Size is the sum of the sizes of the drafts, in bytes.
func (b *Batch) Size() int {
	n := 0
	for i := range b.Drafts {
		n += len(b.Drafts[i].Data) + len(b.Drafts[i].Event)
	}
	return n
}

// Receipt is the answer to a committed batch: its items have the Count ids
// from First to Last, in the order of the drafts. Ids of other batches never
// lie between them.
type Receipt struct {
	Feed  string
	First ID
	Last  ID
	Count int
	// Time is the commit time of the first item.
	Time time.Time
	// Replayed says that a batch with the same key was committed before, and
	// that this is its receipt: nothing was stored now.
	Replayed bool
}

// Check reports, wrapped in ErrInvalid, why the batch cannot be published.
func (b *Batch) Check() error {
	if err := b.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

func (b *Batch) check() error {
	if err := selector.CheckFeed(b.Feed); err != nil {
		return err
	}
	if b.Key != "" {
		if err := CheckKey(b.Key); err != nil {
			return err
		}
	}
	if b.Source != (Source{}) {
		if err := b.Source.check(); err != nil {
			return err
		}
		if b.Key != "" {
			// Each says what was stored before, and they could disagree.
			return errors.New("a batch with a source has no Idempotency-Key")
		}
	} else if len(b.Drafts) == 0 {
		return errors.New("there is no item")
	}
	for i := range b.Drafts {
		d := &b.Drafts[i]
		if d.Event != "" {
			if err := selector.CheckEvent(d.Event); err != nil {
				return err
			}
		}
		if len(d.Data) == 0 {
			return errors.New("the item is empty")
		}
		if d.TTL < 0 {
			return errors.New("the ttl is negative")
		}
	}
	return nil
}

// check reports why the source cannot be stored.
func (s Source) check() error {
	switch {
	case s.Name == "" || len(s.Name) > MaxSourceName:
		return fmt.Errorf("the name of the source has %d bytes, not 1 to %d", len(s.Name), MaxSourceName)
	case len(s.At) > MaxSourceAt:
		return fmt.Errorf("the id of the source has %d bytes, more than %d", len(s.At), MaxSourceAt)
	case !utf8.ValidString(s.Name) || !utf8.ValidString(s.At):
		return errors.New("the source is not UTF-8")
	case strings.ContainsRune(s.Name, 0) || strings.ContainsRune(s.At, 0):
		return errors.New("the source has a NUL")
	}
	return nil
}
