package api

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"feedd/internal/answer"
	"feedd/internal/problem"

	"feedd/internal/clip"
	"feedd/internal/fanout"
	"feedd/internal/stream"
)

// peerLook is how often whoever waits in a goroutine looks whether its peer has
// ended behind something that nobody reads. net/http sees the end of one that
// has sent nothing more than its request at once, and of no other.
const peerLook = time.Second

// pageBounds is how much of a stream is encoded at a time.
var pageBounds = stream.Bounds{Items: 512, Bytes: 64 << 10}

// buffers holds the buffers of streams that are writing. One that waits has
// none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// follow serves a stream in the handler's goroutine.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, sub subscription, g *guest) error {
	end := fanout.EndGone
	defer func() { g.left(end) }() // also where the store panics
	l, err := s.newLoop(r, sub)
	if err != nil {
		return err
	}
	defer l.close()
	end = l.run(r.Context(), s.output(w), nil)
	return nil
}

// loop is a stream in a goroutine of its own: it sends everything between the
// cursor and the head, waits for more, and does so until the client goes or the
// server does.
type loop struct {
	server *Server
	sub    subscription
	conn   net.Conn // nil where it is not known
	alone  bool     // nobody shares conn, as over HTTP/2
	waiter *stream.Waiter
	cur    *stream.Cursor
	entry  *looped
}

// outlet is where a loop writes to.
type outlet interface {
	// send writes what an encoding gave for a notice, deliver a delivery. They
	// return false when the client is gone, or took nothing for stall_timeout.
	send(notice []byte) bool
	deliver(d *stream.Delivery, enc *encoder) bool
	// end says why send or deliver returned false.
	end() fanout.End
}

func (s *Server) newLoop(r *http.Request, sub subscription) (*loop, error) {
	// The waiter before the cursor: what is committed between the two must wake
	// it.
	l := &loop{server: s, sub: sub, conn: connOf(r), alone: r.ProtoMajor == 1, waiter: sub.hub.Wait(sub.sel)}
	l.sub.sel = l.waiter.Selection()
	defer func() {
		if l.cur == nil { // it failed, or panicked
			l.waiter.Close()
		}
	}()
	var err error
	if l.cur, err = sub.hub.Open(r.Context(), l.sub.sel, sub.start); err != nil {
		return nil, err
	}
	l.entry = s.looped.enter(r, l.sub)
	s.recheckLooped(r, l.entry)
	return l, nil
}

func (l *loop) close() {
	l.waiter.Close()
	l.server.looped.leave(l.entry)
}

// run writes the stream to out until it ends, and says why that is. Before the
// client is told that the server goes down there is what settle does, if it is
// not nil.
func (l *loop) run(ctx context.Context, out outlet, settle func()) fanout.End {
	s, cur, enc := l.server, l.cur, l.sub.enc
	told := cur.Position()
	l.entry.stands(told, false)
	if !out.send(l.sub.opening(cur)) {
		return out.end()
	}
	heartbeat := time.NewTimer(s.Heartbeat)
	defer heartbeat.Stop()
	const looks = 4
	look := time.NewTicker(s.StallTimeout / looks)
	defer look.Stop()
	ends := time.NewTicker(peerLook)
	defer ends.Stop()
	waited := false // it had everything
	waits := 0      // looks that found something unacknowledged, in a row
	for {
		d, err := l.sub.hub.Next(ctx, cur, pageBounds)
		if err != nil {
			if ctx.Err() != nil {
				return fanout.EndGone
			}
			s.Log.Warn("stream ended", "selector", clip.Text(l.sub.sel.String()), "err", err)
			return fanout.EndFailed // the client comes back with its position
		}
		if d.Gap != nil || len(d.Entries) > 0 {
			l.entry.stands(cur.Position(), false)
			if !out.deliver(&d, enc) {
				return out.end()
			}
			s.metrics.delivered.Add(uint64(len(d.Entries)))
			heartbeat.Reset(s.Heartbeat)
		}
		if len(d.Entries) > 0 && waited {
			l.sub.hub.Delays.Add(d.Entries[0].ID, time.Now())
		}
		cur.Advance(&d)
		if d.Gap != nil {
			told = d.Gap.ID
			s.metrics.gaps.Add(1)
		}
		if n := len(d.Entries); n > 0 {
			told = d.Entries[n-1].ID
		}
		wake := l.waiter.C
		if d.More && !s.draining() {
			wake = always
		}
		waited = !d.More
		l.entry.stands(cur.Position(), waited)
		select {
		case <-wake:
		case <-heartbeat.C:
			moved := l.sub.sel.Filtered() && cur.Position() > told
			if !out.send(enc.Silence(nil, cur.Position(), moved)) {
				return out.end()
			}
			if moved {
				told = cur.Position()
			}
			heartbeat.Reset(s.Heartbeat)
		case <-look.C:
			// A peer that vanished takes what is sent, as far as the kernel has
			// room for it.
			silence, waiting := fanout.Unheard(l.conn)
			if !waiting {
				waits = 0
			} else if waits++; waits > looks && silence >= s.StallTimeout {
				return fanout.EndStalled
			}
		case <-ends.C:
			// Frames are read, and a connection of HTTP/2 is others', too.
			if enc != frames && l.alone && fanout.PeerEnded(l.conn, fanout.MaxInbound) {
				return fanout.EndGone
			}
		case <-s.Hub.Draining():
			if settle != nil {
				settle()
			}
			out.send(enc.Closing(nil, stream.Closing{Reason: "draining", Cursor: cur.Resume(), Retry: stream.JitteredRetry()}))
			return fanout.EndDrained
		case <-l.entry.life.Done():
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

func (s *Server) output(w http.ResponseWriter) output {
	return output{answer.NewOutput(w, s.StallTimeout)}
}

func (o output) send(notice []byte) bool { return o.Send(notice) }

// end says how the stream ended, as far as the output knows.
func (o output) end() stream.End {
	if o.Stalled() {
		return stream.EndStalled
	}
	return fanout.EndGone
}

// deliver writes a delivery whole.
func (o output) deliver(d *stream.Delivery, enc *encoder) bool {
	buf := buffers.Get().(*[]byte)
	b := enc.AppendDelivery((*buf)[:0], d)
	ok := o.send(b)
	if cap(b) <= 4*pageBounds.Bytes { // one huge item must not stay
		*buf = b
		buffers.Put(buf)
	}
	return ok
}

// draining reports whether the server is going down.
func (s *Server) draining() bool {
	select {
	case <-s.Hub.Draining():
		return true
	default:
		return false
	}
}

// refuseStream refuses for a while. A browser's EventSource stops for good on
// any status but 200, so one gets a stream that says to come back and ends; it
// does so by itself, with its position. Everyone else gets the error. The
// connection ends as well: those who were refused for want of descriptors must
// not keep one each.
func (s *Server) refuseStream(w http.ResponseWriter, r *http.Request, sub subscription, p *problem.Problem) error {
	w.Header().Set("Connection", "close")
	if sub.enc.contentType != sse.contentType || !onlySSE(r) {
		return p
	}
	s.problems.Count(p)
	wait := stream.JitteredRetry()
	var b []byte
	closing := stream.Closing{Reason: p.Type, Retry: wait}
	if sub.presented > 0 {
		if sub.enc != sseFrames { // an opening that a page sees would say that it is live
			b = sub.enc.Opening(b, sub.presented, wait)
		}
		closing.Cursor = sub.presented
	}
	s.output(w).send(sub.enc.Closing(b, closing))
	return nil
}
