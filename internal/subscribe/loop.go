package subscribe

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"feedd/internal/answer"
	"feedd/internal/clip"
	"feedd/internal/fanout"
	"feedd/internal/stream"
)

// PeerLook is how often a handler that waits looks whether its peer has ended.
// net/http sees that at once if the peer has sent nothing behind its request,
// and otherwise not at all.
//
// A look is a system call, so those of ten thousand streams cost about two hundredths of a
// core each second; and a second is little beside the heartbeat, after which a peer
// that is gone would be noticed anyway.
const PeerLook = time.Second

// loopBounds is how much of a stream is encoded at a time: four parts of a
// write (see answer.Part), and about as many items as fit into these if they
// are small.
var loopBounds = stream.Bounds{Items: 512, Bytes: 64 << 10}

// buffers holds the buffers of streams that are writing. A stream that waits
// has none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Borrow returns a buffer to encode into.
func Borrow() *[]byte { return buffers.Get().(*[]byte) }

// Return gives a buffer back; b is what it has become.
func Return(buf *[]byte, b []byte) {
	if cap(b) <= 4*loopBounds.Bytes { // one huge item must not stay
		*buf = b
		buffers.Put(buf)
	}
}

// follow serves a stream in the handler's goroutine.
func (rs *Readers) follow(w http.ResponseWriter, r *http.Request, sub Subscription, onEnd func(fanout.End)) error {
	end := fanout.EndGone
	defer func() { onEnd(end) }() // also if the store panics
	l, err := rs.NewLoop(r, sub)
	if err != nil {
		return err
	}
	defer l.Close()
	end = l.Run(r.Context(), rs.output(w), nil)
	return nil
}

// Loop is a stream in a goroutine of its own: it sends everything between the
// cursor and the head, waits for more, and does so until the client goes or the
// server stops.
type Loop struct {
	readers *Readers
	sub     Subscription
	conn    net.Conn // nil if it is not known
	alone   bool     // conn is not shared, as it is over HTTP/2
	waiter  *stream.Waiter
	cur     *stream.Cursor
	row     *row
}

// Outlet is where a loop writes to.
type Outlet interface {
	// Send writes what an encoding gave for a notice, Deliver a delivery. They
	// return false when the client is gone, or took nothing for stall_timeout.
	Send(notice []byte) bool
	Deliver(d *stream.Delivery, enc *Encoder) bool
	// End says why Send or Deliver returned false.
	End() fanout.End
}

// NewLoop returns the loop of a request whose place was taken. It must be closed.
func (rs *Readers) NewLoop(r *http.Request, sub Subscription) (*Loop, error) {
	// The waiter before the cursor: what is committed between the two must wake
	// it.
	l := &Loop{readers: rs, sub: sub, conn: connOf(r), alone: r.ProtoMajor == 1, waiter: sub.Hub.Wait(sub.Selection)}
	l.sub.Selection = l.waiter.Selection()
	defer func() {
		if l.cur == nil { // it failed, or panicked
			l.waiter.Close()
		}
	}()
	var err error
	if l.cur, err = sub.Hub.Open(r.Context(), l.sub.Selection, sub.Start); err != nil {
		return nil, err
	}
	l.row = rs.register.enter(r, l.sub)
	rs.recheckRow(r, l.row)
	return l, nil
}

// Close frees what the loop holds.
func (l *Loop) Close() {
	l.waiter.Close()
	l.readers.register.leave(l.row)
}

// Life ends when the loop must end: with the session that it needs, or because
// its subscriber was cut.
func (l *Loop) Life() context.Context { return l.row.life }

// Resume returns the position to come back with, 0 for none.
func (l *Loop) Resume() stream.ID { return l.cur.Resume() }

// Run writes the stream to out until it ends, and says why it ended. If the
// server stops, Run calls settle, if that is not nil, before it tells the
// client.
func (l *Loop) Run(ctx context.Context, out Outlet, settle func()) fanout.End {
	rs, cur, enc := l.readers, l.cur, l.sub.Encoder
	positionTold := cur.Position()
	l.row.stands(positionTold, false)
	if !out.Send(l.sub.opening(cur)) {
		return out.End()
	}
	heartbeat := time.NewTimer(rs.heartbeat)
	defer heartbeat.Stop()
	const looks = 4 // in a stall timeout, so that a stall is noticed within a quarter of it
	look := time.NewTicker(rs.stall / looks)
	defer look.Stop()
	ends := time.NewTicker(rs.peerLook)
	defer ends.Stop()
	waited := false // it had everything
	waits := 0      // looks that found something unacknowledged, in a row
	for {
		d, err := l.sub.Hub.Next(ctx, cur, loopBounds)
		if err != nil {
			if ctx.Err() != nil {
				return fanout.EndGone
			}
			rs.logger.Warn("stream ended", "selector", clip.Text(l.sub.Selection.String()), "err", err)
			return fanout.EndFailed // the client comes back with its position
		}
		if d.Gap != nil || len(d.Entries) > 0 {
			l.row.stands(cur.Position(), false)
			if !out.Deliver(&d, enc) {
				return out.End()
			}
			rs.delivered.Add(uint64(len(d.Entries)))
			heartbeat.Reset(rs.heartbeat)
		}
		if len(d.Entries) > 0 && waited {
			l.sub.Hub.Delays.Add(d.Entries[0].ID, time.Now())
		}
		cur.Advance(&d)
		if d.Gap != nil {
			positionTold = d.Gap.ID
			rs.gaps.Add(1)
		}
		if n := len(d.Entries); n > 0 {
			positionTold = d.Entries[n-1].ID
		}
		wake := l.waiter.C
		if d.More && !rs.hub.Stopping() {
			wake = always
		}
		waited = !d.More
		l.row.stands(cur.Position(), waited)
		select {
		case <-wake:
		case <-heartbeat.C:
			moved := l.sub.Selection.Filtered() && cur.Position() > positionTold
			if !out.Send(enc.Silence(nil, cur.Position(), moved)) {
				return out.End()
			}
			if moved {
				positionTold = cur.Position()
			}
			heartbeat.Reset(rs.heartbeat)
		case <-look.C:
			// The kernel takes what is sent to a peer that vanished, as long as it
			// has room.
			silence, waiting := fanout.Unheard(l.conn)
			if !waiting {
				waits = 0
			} else if waits++; waits > looks && silence >= rs.stall {
				return fanout.EndStalled
			}
		case <-ends.C:
			// The frames of a WebSocket are read, and a connection of HTTP/2 has
			// other requests too.
			if enc != Frames && l.alone && fanout.PeerEnded(l.conn, fanout.MaxInbound) {
				return fanout.EndGone
			}
		case <-rs.hub.Draining():
			if settle != nil {
				settle()
			}
			out.Send(enc.Closing(nil, stream.Closing{Reason: "draining", Cursor: cur.Resume(), Retry: stream.JitteredRetry()}))
			return fanout.EndDrained
		case <-l.row.life.Done():
			return fanout.EndGone
		case <-ctx.Done():
			return fanout.EndGone
		}
	}
}

// always is ready.
var always = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// output is the outlet of a stream over HTTP.
type output struct{ *answer.Output }

func (rs *Readers) output(w http.ResponseWriter) output {
	return output{answer.NewOutput(w, rs.stall)}
}

func (o output) Send(notice []byte) bool { return o.Output.Send(notice) }

// End says how the stream ended, as far as the output knows.
func (o output) End() fanout.End {
	if o.Stalled() {
		return fanout.EndStalled
	}
	return fanout.EndGone
}

// Deliver writes all of a delivery.
func (o output) Deliver(d *stream.Delivery, enc *Encoder) bool {
	buf := Borrow()
	b := enc.AppendDelivery((*buf)[:0], d)
	ok := o.Send(b)
	Return(buf, b)
	return ok
}
