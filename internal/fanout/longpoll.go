package fanout

import (
	"time"

	"feedd/internal/stream"
)

// Poll is what a subscriber asked for that waits for one answer and keeps its
// connection: a waiting page. It is answered as soon as something comes that is
// an answer, when the wait ends, or when the server goes.
//
// Its connection is not closed then: when the peer asks for something else on
// it, or at once where it has done so already, Back takes it over. Until then
// it costs as little as while it waited.
type Poll struct {
	Wait  time.Duration
	Items int // of an answer, at most
	Reply *Reply
	// Ahead says that the peer has sent more already than this poll, and that
	// Back knows what.
	Ahead bool
	// Back takes the connection back; it is called at most once, with nothing
	// half written, and must not block.
	Back func()
}

// MaxBehind is how many bytes may lie unread behind a long poll. One with more
// is answered at once, since the end of its peer could not arrive behind them:
// the kernel has room for 64 KiB that nobody reads. It is enough for some
// hundred polls that a client sends ahead.
const MaxBehind = 32 << 10

// Reply makes the answers of polls. Those that share one get the same bytes for
// the same items: they are put together once.
type Reply struct {
	// Append appends a whole answer, in which last says that the connection ends
	// behind it. It appends nothing where that is no answer, and the poll goes on
	// behind it. Neither a gap nor items is one: the wait has ended.
	Append func(dst []byte, a *Answer, last bool) []byte
}

// Answer is what a poll is told.
type Answer struct {
	Gap     *stream.Gap
	Entries []*stream.Entry // ascending by id
	At      stream.ID       // from where the reader goes on
	More    bool            // there is more at once
}

// answerOf makes an answer of a delivery for the cursor.
func answerOf(c *stream.Cursor, d *stream.Delivery) *Answer {
	at := *c
	at.Advance(d)
	return &Answer{Gap: d.Gap, Entries: d.Entries, At: at.Position(), More: d.More}
}
