package api

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"time"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

const (
	// retry is how long a client shall wait before it comes back.
	retry = 2 * time.Second
	// chunk is how much is written against one deadline: a reader that takes
	// less than this within the stall timeout is cut.
	chunk = 16 << 10
)

// pageBounds is how much of a stream is encoded at a time.
var pageBounds = stream.Bounds{Items: 512, Bytes: 64 << 10}

// buffers holds the buffers of streams that are writing. One that waits has
// none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// follow is the one subscribe path: it sends everything between the cursor and
// the head, waits for more, and does so until the client goes or the server
// does.
//
// It fails before anything was written. presented is the id that the client
// gave, 0 for none.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, sel stream.Selection, start stream.Start, presented stream.ID, enc *encoder) error {
	ctx := r.Context()
	// Before the cursor: what is committed between the two must wake it.
	waiter := s.Hub.Watch(sel)
	defer waiter.Close()
	cur, err := s.Hub.Open(ctx, sel, start)
	if err != nil {
		return err
	}
	out := &output{w: w, rc: http.NewResponseController(w), stall: s.StallTimeout}
	defer func() { s.count(out) }()
	told := cur.Position()
	if !out.send(enc.opening(nil, cmp.Or(presented, told), retry)) {
		return nil
	}
	heartbeat := time.NewTimer(s.Heartbeat)
	defer heartbeat.Stop()
	for {
		d, err := s.Hub.Next(ctx, cur, pageBounds)
		if err != nil {
			if ctx.Err() == nil {
				s.Log.Warn("stream ended", "selector", sel.String(), "err", err)
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
			moved := sel.Filtered() && cur.Position() > told
			if !out.send(enc.silence(nil, cur.Position(), moved)) {
				return nil
			}
			if moved {
				told = cur.Position()
			}
			heartbeat.Reset(s.Heartbeat)
		case <-s.Hub.Draining():
			out.send(enc.closing(nil, wire.Closing{Reason: "draining", Cursor: cur.Position(), Retry: jitter(retry)}))
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// deliver writes a delivery whole.
func (s *Server) deliver(out *output, enc *encoder, d *stream.Delivery) bool {
	buf := buffers.Get().(*[]byte)
	b := (*buf)[:0]
	if d.Gap != nil {
		b = enc.gap(b, d.Gap)
		s.metrics.gaps.Inc()
	}
	for _, e := range d.Entries {
		b = e.AppendFrame(b, enc.items)
	}
	ok := out.send(b)
	if cap(b) <= 4*pageBounds.Bytes { // one huge item must not stay
		*buf = b
		buffers.Put(buf)
	}
	s.metrics.delivered.Add(float64(len(d.Entries)))
	return ok
}

// count notes how a stream ended.
func (s *Server) count(out *output) {
	if out.stalled {
		s.metrics.stalled.Inc()
		s.metrics.limitHits.WithLabelValues("stall_timeout").Inc()
	}
}

// output writes to a client that may be slow.
type output struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	stall   time.Duration
	stalled bool // the client made no progress for that long
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

// jitter spreads a time over half of it to one and a half.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d)
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

// admit counts a subscriber in, or says why it cannot be.
func (s *Server) admit() *problem {
	if s.draining() {
		return &draining
	}
	if n := s.subscribers.Add(1); n > int64(s.MaxSubscribers) {
		s.subscribers.Add(-1)
		return tooManySubs.hit("max_subscribers").with("%d are connected", s.MaxSubscribers)
	}
	return nil
}

func (s *Server) leave() { s.subscribers.Add(-1) }

// refuseStream refuses for a while. A browser's EventSource stops for good on
// any status but 200, so one gets a stream that says to come back and ends; it
// does so by itself, with its position. Everyone else gets the error. The
// connection ends as well: those who were refused for want of descriptors must
// not keep one each.
func (s *Server) refuseStream(w http.ResponseWriter, r *http.Request, presented stream.ID, enc *encoder, p *problem) error {
	w.Header().Set("Connection", "close")
	if enc.contentType != sse.contentType || !onlySSE(r) {
		return p
	}
	if p.limit != "" {
		s.metrics.limitHits.WithLabelValues(p.limit).Inc()
	}
	wait := jitter(retry)
	var b []byte
	closing := wire.Closing{Reason: p.Type, Retry: wait}
	if presented > 0 {
		b = enc.opening(b, presented, wait)
		closing.Cursor = presented
	}
	out := &output{w: w, rc: http.NewResponseController(w), stall: s.StallTimeout}
	out.send(enc.closing(b, closing))
	return nil
}
