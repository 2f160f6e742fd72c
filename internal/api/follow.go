package api

import (
	"errors"
	"net/http"
	"os"
	"sync"
	"time"

	"feedd/internal/stream"
)

// chunk is how much is written against one deadline: a reader that takes less
// than this within the stall timeout is cut.
const chunk = 16 << 10

// pageBounds is how much of a stream is encoded at a time.
var pageBounds = stream.Bounds{Items: 512, Bytes: 64 << 10}

// buffers holds the buffers of streams that are writing. One that waits has
// none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// follow serves a stream in the handler's goroutine: it sends everything
// between the cursor and the head, waits for more, and does so until the client
// goes or the server does.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, sub subscription, g *guest) error {
	ctx := r.Context()
	out := s.output(w)
	defer func() { g.left(out.end()) }()
	// Before the cursor: what is committed between the two must wake it.
	waiter := s.Hub.Watch(sub.sel)
	defer waiter.Close()
	cur, err := s.Hub.Open(ctx, sub.sel, sub.start)
	if err != nil {
		return err
	}
	told, enc := cur.Position(), sub.enc
	if !out.send(sub.opening(cur)) {
		return nil
	}
	heartbeat := time.NewTimer(s.Heartbeat)
	defer heartbeat.Stop()
	look := time.NewTicker(s.StallTimeout / 4)
	defer look.Stop()
	for {
		d, err := s.Hub.Next(ctx, cur, pageBounds)
		if err != nil {
			if ctx.Err() == nil {
				s.Log.Warn("stream ended", "selector", sub.sel.String(), "err", err)
			}
			return nil // the client comes back with its position
		}
		if d.Gap != nil || len(d.Entries) > 0 {
			if !s.deliver(out, enc, &d) {
				return nil
			}
			heartbeat.Reset(s.Heartbeat)
		}
		cur.Advance(&d)
		if n := len(d.Entries); n > 0 {
			told = d.Entries[n-1].ID
		} else if d.Gap != nil {
			told = d.Gap.ID
		}
		if d.More && !s.draining() {
			continue
		}
		select {
		case <-waiter.C:
		case <-heartbeat.C:
			moved := sub.sel.Filtered() && cur.Position() > told
			if !out.send(enc.Silence(nil, cur.Position(), moved)) {
				return nil
			}
			if moved {
				told = cur.Position()
			}
			heartbeat.Reset(s.Heartbeat)
		case <-look.C:
			// A peer that vanished takes what is sent, as far as the kernel has
			// room for it.
			if stream.Unheard(connOf(r)) >= s.StallTimeout {
				out.stalled = true
				return nil
			}
		case <-s.Hub.Draining():
			out.send(enc.Closing(nil, stream.Closing{Reason: "draining", Cursor: cur.Position(), Retry: stream.JitteredRetry()}))
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// deliver writes a delivery whole.
func (s *Server) deliver(out *output, enc *encoder, d *stream.Delivery) bool {
	buf := buffers.Get().(*[]byte)
	b := enc.AppendDelivery((*buf)[:0], d)
	ok := out.send(b)
	if cap(b) <= 4*pageBounds.Bytes { // one huge item must not stay
		*buf = b
		buffers.Put(buf)
	}
	if d.Gap != nil {
		s.metrics.gaps.Add(1)
	}
	s.metrics.delivered.Add(uint64(len(d.Entries)))
	return ok
}

// output writes to a client that may be slow.
type output struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	stall   time.Duration
	stalled bool // the client made no progress for that long
}

func (s *Server) output(w http.ResponseWriter) *output {
	return &output{w: w, rc: http.NewResponseController(w), stall: s.StallTimeout}
}

// end says how the stream ended, as far as the output knows.
func (o *output) end() stream.End {
	if o.stalled {
		return stream.EndStalled
	}
	return stream.EndGone
}

// send writes b and flushes it. It returns false when the client is gone, or
// does not take it.
func (o *output) send(b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), chunk)
		o.rc.SetWriteDeadline(time.Now().Add(o.stall))
		if _, err := o.w.Write(b[:n]); err != nil {
			o.stalled = errors.Is(err, os.ErrDeadlineExceeded)
			return false
		}
		b = b[n:]
	}
	if err := o.rc.Flush(); err != nil {
		o.stalled = errors.Is(err, os.ErrDeadlineExceeded)
		return false
	}
	// No deadline while nothing is written: an idle stream is in order.
	o.rc.SetWriteDeadline(time.Time{})
	return true
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
func (s *Server) refuseStream(w http.ResponseWriter, r *http.Request, sub subscription, p *problem) error {
	w.Header().Set("Connection", "close")
	if sub.enc.contentType != sse.contentType || !onlySSE(r) {
		return p
	}
	if p.limit != "" {
		s.metrics.limitHits.WithLabelValues(p.limit).Inc()
	}
	wait := stream.JitteredRetry()
	var b []byte
	closing := stream.Closing{Reason: p.Type, Retry: wait}
	if sub.presented > 0 {
		b = sub.enc.Opening(b, sub.presented, wait)
		closing.Cursor = sub.presented
	}
	s.output(w).send(sub.enc.Closing(b, closing))
	return nil
}
