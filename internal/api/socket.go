package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"feedd/internal/answer"
	"feedd/internal/stream"
)

// farewellTimeout is how long a client may take to answer the closing of a
// WebSocket. Tests set another.
const farewellTimeout = 5 * time.Second

// socket is an outlet to a WebSocket.
type socket struct {
	conn     *websocket.Conn
	raw      *takenConn
	life     context.Context // that of the connection
	stall    time.Duration
	farewell time.Duration // see farewellTimeout

	turn    chan struct{} // held while a client's frame is published and answered
	sending sync.Mutex    // held while a message is written
	stalled atomic.Bool   // the client made no progress for that long
}

// takenConn is a connection that was taken over for a WebSocket.
type takenConn struct {
	net.Conn
	heard  atomic.Uint64 // rises with each sign of life from the client
	ended  atomic.Bool   // nothing more can be read
	linger atomic.Bool   // see Close
}

// Read implements net.Conn.
func (c *takenConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.heard.Add(1)
	}
	if err != nil {
		c.ended.Store(true)
	}
	return n, err
}

// Close implements net.Conn. After a farewell it takes what the client is still
// sending, until the read deadline: a connection that is closed with something
// unread is reset, and the client may never see why.
func (c *takenConn) Close() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.linger.Load() && half.CloseWrite() == nil {
		io.Copy(io.Discard, c.Conn)
	}
	return c.Conn.Close()
}

// cut closes the connection at once.
func (c *takenConn) cut() { c.Conn.Close() }

// farewell is what a client is told when its WebSocket ends. The zero farewell
// says nothing.
type farewell struct {
	code   websocket.StatusCode
	reason string // at most 123 bytes
}

func farewellOf(end fanout.End, at stream.ID) farewell {
	switch end {
	case fanout.EndDrained:
		// Whoever reads codes only finds here where to go on.
		if at == 0 { // who was told of no position keeps its own
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
func (o *socket) close(f farewell) {
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
func (o *socket) settle() {
	select {
	case o.turn <- struct{}{}:
	case <-o.life.Done():
	}
}

func (o *socket) end() fanout.End {
	if o.stalled.Load() {
		return fanout.EndStalled
	}
	return fanout.EndGone
}

// send writes a message, a large one in parts: a slow client makes progress
// with each, and control frames go between them.
func (o *socket) send(message []byte) bool {
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

func (o *socket) deliver(d *stream.Delivery, enc *encoder) bool {
	if d.Gap != nil && !o.send(enc.Gap(nil, d.Gap)) {
		return false
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for _, e := range d.Entries {
		b := e.AppendFrame((*buf)[:0], enc.Items)
		if cap(b) <= 4*pageBounds.Bytes {
			*buf = b
		}
		if !o.send(bytes.TrimSuffix(b, []byte{'\n'})) {
			return false
		}
	}
	return true
}

// ping asks the client every so often whether it is there; one of which nothing
// is heard for the stall timeout is gone. It ends with ctx, or with the function
// it returns, which reports whether that was so.
func (o *socket) ping(ctx context.Context, every time.Duration, gone func()) (stop func() (silent bool)) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan bool, 1)
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				done <- false
				return
			}
			if silent, err := o.pingOnce(ctx); err != nil {
				done <- silent
				gone()
				return
			}
		}
	}()
	return func() bool { cancel(); return <-done }
}

// pingOnce fails when the client is gone, and reports whether it is silent.
func (o *socket) pingOnce(ctx context.Context) (silent bool, err error) {
	if !o.sending.TryLock() {
		return false, nil // the client is measured by what it takes
	}
	o.sending.Unlock()
	before := o.raw.heard.Load()
	wait, end := context.WithTimeout(ctx, o.stall)
	defer end()
	err = o.conn.Ping(wait)
	if !errors.Is(err, context.DeadlineExceeded) {
		return false, err
	}
	// Its answer may stand behind what it publishes, and that behind a slow
	// commit.
	if o.raw.heard.Load() != before || len(o.turn) > 0 {
		return false, nil
	}
	// The ping may stand behind much that a slow client has still to read: as
	// long as its kernel takes of that, it is there.
	if silence, waiting := fanout.Unheard(o.raw.Conn); waiting && silence < o.stall {
		return false, nil
	}
	return true, err
}
