package fanout

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"feedd/internal/stream"
)

// Options sets how Shards serve. Heartbeat, StallTimeout and Logger are
// required.
type Options struct {
	// Heartbeat is the longest silence on a stream.
	Heartbeat time.Duration
	// StallTimeout is how long a peer may leave what was sent to it
	// unacknowledged before it is cut.
	StallTimeout time.Duration
	// RestTimeout is how long the connection of a long poll that was answered is
	// kept while its peer asks for nothing more; 0: for ever.
	RestTimeout time.Duration
	// Number is how many shards there are; 0: one for each processor, up to 16.
	Number int
	// Logger takes a record of each stream that the store ended.
	Logger *slog.Logger
}

// Subscriber is a reader on a connection of its own.
type Subscriber struct {
	Cursor *stream.Cursor
	// A subscriber is a stream, in an Encoding, or a LongPoll; the other is nil.
	Encoding *stream.Encoding
	LongPoll *LongPoll
	// PositionTold is the position that the reader was told at the opening of a
	// stream.
	PositionTold stream.ID
	// OnEnd is called once, when the subscriber is gone or was answered. It must
	// not block. Many subscribers may share one function.
	OnEnd func(End)
}

// MaxInbound is how many bytes the peer of a stream may send: a reader sends
// nothing after its request, and 4 KiB leave room for what a library adds.
const MaxInbound = 4 << 10

// End says why a subscriber is gone.
type End int

const (
	EndGone     End = iota // the peer went, or sent what no reader sends
	EndStalled             // it took nothing for StallTimeout
	EndDrained             // it was told to come back
	EndFailed              // the log failed, or the item that it had half of is gone
	EndAnswered            // it was a long poll, and has its answer
)

// errNoTakeover: the connection could not be taken over and is still the
// caller's.
var errNoTakeover = errors.New("the connection cannot be taken over")

// Stats counts what Shards did from their beginning on.
type Stats struct {
	Members   int    // connections that are adopted now
	Resting   int    // of these, how many rest because their long poll was answered
	Delivered uint64 // items written whole
	Gaps      uint64 // notices of a gap
	Blocked   uint64 // times that a connection took no more
	CaughtUp  uint64 // deliveries to readers that were behind
}

// tally is where shards and workers count.
type tally struct {
	members, resting                   atomic.Int64
	delivered, gaps, blocked, caughtUp atomic.Uint64
}

func (t *tally) stats() Stats {
	return Stats{int(t.members.Load()), int(t.resting.Load()), t.delivered.Load(), t.gaps.Load(), t.blocked.Load(), t.caughtUp.Load()}
}

// State says what a subscriber waits for.
type State string

const (
	Parked     State = "parked"      // it has everything
	Blocked    State = "blocked"     // its connection takes no more at the moment
	CatchingUp State = "catching-up" // it is behind, and its turn will come
)

// Member is a subscriber that Shards serve, as it was at a moment.
type Member struct {
	ID       string // names it for Cut, and never another one
	Address  netip.AddrPort
	Joined   time.Time
	Selector string
	Encoding *stream.Encoding // nil for a long poll
	State    State
	// Position is where it stands, 0 while a worker moves it.
	Position stream.ID
}
