package socket

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"feedd/internal/answer"
	"feedd/internal/fanout"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
)

// outlet writes a stream to a WebSocket.
type outlet struct {
	conn     *websocket.Conn
	raw      *takenConn
	life     context.Context // that of the connection
	stall    time.Duration
	farewell time.Duration // see FarewellTimeout

	turn    chan struct{} // held while a client's frame is published and answered
	sending sync.Mutex    // held while a message is written
	stalled atomic.Bool   // the client made no progress for the stall timeout
}

// farewell is what a client is told when its WebSocket ends. The zero farewell
// says nothing.
type farewell struct {
	code   websocket.StatusCode
	reason string // at most 123 bytes
}

func farewellOf(end fanout.End, at stream.ID) farewell {
	switch end {
	case fanout.EndDrained:
		// A client that reads no frames but the close finds here where to go on.
		if at == 0 { // a client that was told no position keeps its own
			return farewell{websocket.StatusServiceRestart, "the server restarts"}
		}
		return farewell{websocket.StatusServiceRestart, "cursor=" + at.String()}
	case fanout.EndFailed:
		return farewell{websocket.StatusTryAgainLater, "the store does not work at the moment"}
	case fanout.EndStalled:
		return farewell{websocket.StatusPolicyViolation, "nothing was read, or no ping answered, for the stall timeout"}
	}
	return farewell{}
}

// close tells the client why the stream ends, unless the library has done so.
func (o *outlet) close(f farewell) {
	if f == (farewell{}) {
		return
	}
	// The library waits for the client's answer, and in the middle of a frame
	// for the rest of that for ever: the deadline ends it.
	o.raw.SetReadDeadline(time.Now().Add(o.farewell))
	o.raw.linger.Store(true)
	o.conn.Close(f.code, f.reason)
}

// settle waits for the answer to the frame that is being published (P9), and
// keeps others from being published.
func (o *outlet) settle() {
	select {
	case o.turn <- struct{}{}:
	case <-o.life.Done():
	}
}

// End implements subscribe.Outlet.
func (o *outlet) End() fanout.End {
	if o.stalled.Load() {
		return fanout.EndStalled
	}
	return fanout.EndGone
}

// Send implements subscribe.Outlet. It writes a message, a large one in parts:
// a slow client makes progress with each, and control frames can go between
// them.
func (o *outlet) Send(message []byte) bool {
	o.sending.Lock()
	defer o.sending.Unlock()
	ctx, cancel := context.WithCancel(o.life)
	defer cancel()
	patience := time.AfterFunc(o.stall, func() {
		o.stalled.Store(true)
		cancel()
	})
	defer patience.Stop()
	if len(message) <= answer.Part {
		return o.conn.Write(ctx, websocket.MessageText, message) == nil
	}
	w, err := o.conn.Writer(ctx, websocket.MessageText)
	if err != nil {
		return false
	}
	for len(message) > 0 {
		n := min(len(message), answer.Part)
		if _, err := w.Write(message[:n]); err != nil {
			return false
		}
		patience.Reset(o.stall)
		message = message[n:]
	}
	return w.Close() == nil
}

// Deliver implements subscribe.Outlet.
func (o *outlet) Deliver(d *stream.Delivery, enc *subscribe.Encoder) bool {
	if d.Gap != nil && !o.Send(enc.Gap(nil, d.Gap)) {
		return false
	}
	buf := subscribe.Borrow()
	b := *buf
	defer func() { subscribe.Return(buf, b) }()
	for _, e := range d.Entries {
		b = e.AppendFrame(b[:0], enc.Items)
		if !o.Send(bytes.TrimSuffix(b, []byte{'\n'})) {
			return false
		}
	}
	return true
}
