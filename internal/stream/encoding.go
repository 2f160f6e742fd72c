package stream

import (
	"math/rand/v2"
	"time"
)

// Encoding is what a stream looks like on the wire. All functions append to
// dst, and give the same bytes for the same arguments.
type Encoding struct {
	Items *Format
	// Opening is what a stream begins with: the position where reading starts,
	// and after how long a reader that was cut should come back.
	Opening func(dst []byte, at ID, retry time.Duration) []byte
	// Silence is the sign of life of a stream that had nothing to send. Moved
	// says that the position differs from the one that was told last. Then items
	// came that the selection does not pass.
	Silence func(dst []byte, at ID, moved bool) []byte
	Gap     func(dst []byte, g *Gap) []byte
	Closing func(dst []byte, c Closing) []byte
}

// Closing is the notice that the server ends a stream, and when to come back.
type Closing struct {
	Reason string
	Cursor ID            // where the reader stands; 0: it was given no position
	Retry  time.Duration // in whole milliseconds on the wire
}

// AppendDelivery appends what is to be written for a delivery.
func (e *Encoding) AppendDelivery(dst []byte, d *Delivery) []byte {
	if d.Gap != nil {
		dst = e.Gap(dst, d.Gap)
	}
	for _, entry := range d.Entries {
		dst = entry.AppendFrame(dst, e.Items)
	}
	return dst
}

// Retry is about how long a reader should wait before it comes back: most of
// them then find a restarted server, because a restart takes about a second.
const Retry = 2 * time.Second

// JitteredRetry is Retry spread over half of it to one and a half, so that
// readers that are sent away together do not come back together.
func JitteredRetry() time.Duration { return Retry/2 + rand.N(Retry) }
