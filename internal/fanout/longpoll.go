package fanout

import (
	"time"

	"feedd/internal/stream"
)

// LongPoll is a request that waits for one answer and keeps its connection. It
// is answered when an item or gap comes that is an answer, when the wait ends,
// or when the server stops.
//
// Its connection is not closed then. Return takes it over when the peer asks
// for something else on it, or at once if the peer has done so already. Until
// then it costs as little as while it waited.
type LongPoll struct {
	Wait  time.Duration
	Items int // of an answer, at most
	Reply *Reply
	// Ahead says that the peer has already sent more than this request. Return
	// has those bytes.
	Ahead bool
	// Return takes the connection back. It is called at most once, with nothing
	// half written, and must not block.
	Return func()
}

// MaxBehind is how many bytes may lie unread behind a long poll. One with more
// is answered at once, because the end of its peer could not arrive behind
// them: the kernel has room for 64 KiB of unread bytes, and half of that leaves
// room for what is under way. 32 KiB are enough for some hundred polls that a
// client sends ahead.
const MaxBehind = 32 << 10

// Reply makes the answers of long polls. Long polls that share a Reply get the
// same bytes for the same items, which are put together once.
type Reply struct {
	// Append appends a whole answer; last says that the connection ends behind
	// it. If it appends nothing, this is no answer, and the long poll goes on
	// behind it. An Answer with neither gap nor items is one, because the wait
	// has ended.
	Append func(dst []byte, a *Answer, last bool) []byte
}

// Answer is what a long poll is told.
type Answer struct {
	Gap     *stream.Gap
	Entries []*stream.Entry // ascending by id
	At      stream.ID       // from where the reader goes on
	More    bool            // there is more at once
}
