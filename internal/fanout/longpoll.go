package fanout

import (
	"time"

	"feedd/internal/stream"
)

// LongPoll is a request that waits for one answer and keeps its connection. It
// is answered as soon as something comes that is an answer, when the wait ends,
// or when the server goes.
//
// Its connection is not closed then: when the peer asks for something else on
// it, or at once where it has done so already, Return takes it over. Until then
// it costs as little as while it waited.
type LongPoll struct {
	Wait  time.Duration
	Items int // of an answer, at most
	Reply *Reply
	// Ahead says that the peer has sent more already than this request, and that
	// Return knows what.
	Ahead bool
	// Return takes the connection back; it is called at most once, with nothing
	// half written, and must not block.
	Return func()
}

// MaxBehind is how many bytes may lie unread behind a long poll. One with more
// is answered at once, since the end of its peer could not arrive behind them:
// the kernel has room for 64 KiB that are not read, and half of that leaves room
// for what is under way. It is enough for some hundred polls that a client sends
// ahead.
const MaxBehind = 32 << 10

// Reply makes the answers of long polls. Those that share one get the same bytes
// for the same items: they are put together once.
type Reply struct {
	// Append appends a whole answer, in which last says that the connection ends
	// behind it. It appends nothing where that is no answer, and the long poll
	// goes on behind it. Neither a gap nor items is one: the wait has ended.
	Append func(dst []byte, a *Answer, last bool) []byte
}

// Answer is what a long poll is told.
type Answer struct {
	Gap     *stream.Gap
	Entries []*stream.Entry // ascending by id
	At      stream.ID       // from where the reader goes on
	More    bool            // there is more at once
}
