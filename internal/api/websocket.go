package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

const (
	// frameOverhead is what a client's frame may have beyond the item's data.
	frameOverhead = 4 << 10
	// waitingReplies is how many answers to a client's frames may wait for the
	// connection. When there are so many, no further frame is read.
	waitingReplies = 16
)

// frames is the format of streams over WebSocket: an envelope, or a notice, is
// a text frame. The envelopes are the lines of NDJSON.
var frames = &encoder{
	Encoding: stream.Encoding{
		Items:   ndjson.Items,
		Opening: func(dst []byte, at stream.ID, _ time.Duration) []byte { return wire.AppendCursor(dst, at) },
		Silence: func(dst []byte, at stream.ID, _ bool) []byte { return wire.AppendCursor(dst, at) },
		Gap:     wire.AppendGap,
		Closing: wire.AppendClosing,
	},
}

// wantsWebSocket reports whether the client asks to speak WebSocket.
func wantsWebSocket(r *http.Request) bool {
	for _, v := range r.Header.Values("Upgrade") {
		for name := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(name), "websocket") {
				return true
			}
		}
	}
	return false
}

// serveWebSocket answers with the stream over WebSocket, on which the client
// may publish as well.
func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, query url.Values, hub *stream.Hub, sel stream.Selection) error {
	if err := sameOrigin(r); err != nil {
		return err
	}
	start, _, err := startOf(r, query, maxLast)
	if err != nil {
		return err
	}
	g, p := s.admit(r)
	if p != nil {
		return p
	}
	end := stream.EndGone
	defer func() { g.left(end) }()
	l, err := s.newLoop(r, subscription{hub, sel, start, presentedID(r, query), frames})
	if err != nil {
		return err
	}
	defer l.close()
	conn, err := accept(w, r)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	// The http.Server does not know of the connection any more.
	ctx, cancel, ok := s.sockets.enter(r.Context())
	if !ok {
		return nil
	}
	defer s.sockets.leave()
	defer cancel()
	out := &socket{conn: conn, ctx: ctx, stall: s.StallTimeout}
	replies := make(chan []byte, waitingReplies)
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		defer cancel()
		s.readFrames(ctx, r, conn, sel, replies)
	}()
	stopPings := out.ping(s.Heartbeat, cancel)
	end = l.run(ctx, out, replies)
	if silent := stopPings(); silent {
		end = stream.EndStalled
	}
	out.close(end, l.cur.Resume())
	cancel()
	<-reading
	return nil
}

// sockets are the WebSockets that are open.
type sockets struct {
	mu     sync.Mutex // guards closed and open, and done.Add against Wait
	closed bool
	open   int
	done   sync.WaitGroup
	cut    context.Context
	cutAll func()
}

// enter counts one in. Its context ends when it is cut.
func (s *sockets) enter(parent context.Context) (ctx context.Context, cancel func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, false
	}
	s.done.Add(1)
	s.open++
	ctx, end := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(s.cut, end)
	return ctx, func() { stop(); end() }, true
}

// leave counts one out.
func (s *sockets) leave() {
	s.mu.Lock()
	s.open--
	s.mu.Unlock()
	s.done.Done()
}

func (s *sockets) number() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// Close waits for the WebSockets to end, as they do when the hub drains; when
// ctx ends it cuts those that are left.
func (s *Server) Close(ctx context.Context) {
	s.sockets.mu.Lock()
	s.sockets.closed = true
	s.sockets.mu.Unlock()
	stop := context.AfterFunc(ctx, s.sockets.cutAll)
	s.sockets.done.Wait()
	stop()
	s.sockets.cutAll()
}

// sameOrigin refuses pages of other origins: a browser lets them open a
// WebSocket to anywhere, with the user's cookies.
func sameOrigin(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil // not a browser
	}
	u, err := url.Parse(origin)
	if err != nil || !strings.EqualFold(u.Host, r.Host) {
		return crossOrigin.with("a WebSocket may be opened by pages of %s, not of %q", r.Host, origin)
	}
	return nil
}

// accept upgrades the connection.
func accept(w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
	u := &upgrade{ResponseWriter: w}
	// The origin was looked at.
	conn, err := websocket.Accept(u, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err == nil {
		return conn, nil
	}
	if u.status == 0 { // the connection is taken over, or broken
		return nil, http.ErrAbortHandler
	}
	return nil, badRequest.with("this is no handshake of WebSocket: %s", err)
}

// upgrade keeps back the library's own error page.
type upgrade struct {
	http.ResponseWriter
	status int // of a refusal
}

// Unwrap is for http.ResponseController and the library.
func (u *upgrade) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (u *upgrade) WriteHeader(status int) {
	if status != http.StatusSwitchingProtocols {
		u.status = status
		return
	}
	u.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (u *upgrade) Write(b []byte) (int, error) {
	if u.status != 0 {
		return len(b), nil
	}
	return u.ResponseWriter.Write(b)
}

// socket is an outlet to a WebSocket.
type socket struct {
	conn    *websocket.Conn
	ctx     context.Context
	stall   time.Duration
	stalled bool
}

func (o *socket) end() stream.End {
	if o.stalled {
		return stream.EndStalled
	}
	return stream.EndGone
}

func (o *socket) send(frame []byte) bool {
	ctx, cancel := context.WithTimeout(o.ctx, o.stall)
	defer cancel()
	if err := o.conn.Write(ctx, websocket.MessageText, frame); err != nil {
		o.stalled = errors.Is(ctx.Err(), context.DeadlineExceeded)
		return false
	}
	return true
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

// ping asks the client every so often whether it is there; one that does not
// answer for the stall timeout is gone. It ends with the function it returns,
// which reports whether that was so.
func (o *socket) ping(every time.Duration, gone func()) (stop func() (silent bool)) {
	ctx, cancel := context.WithCancel(o.ctx)
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
			wait, end := context.WithTimeout(ctx, o.stall)
			err := o.conn.Ping(wait)
			silent := errors.Is(wait.Err(), context.DeadlineExceeded)
			end()
			if err != nil {
				done <- silent
				gone()
				return
			}
		}
	}()
	return func() bool { cancel(); return <-done }
}

// close tells the client why the stream ends.
func (o *socket) close(end stream.End, at stream.ID) {
	switch end {
	case stream.EndDrained:
		// Whoever reads codes only finds here where to go on.
		o.conn.Close(websocket.StatusServiceRestart, "cursor="+at.String())
	case stream.EndFailed:
		o.conn.Close(websocket.StatusTryAgainLater, "the store does not work at the moment")
	case stream.EndStalled:
		o.conn.Close(websocket.StatusPolicyViolation, "nothing was read for the stall timeout")
	}
}

// readFrames reads what the client sends until it goes, and publishes it.
func (s *Server) readFrames(ctx context.Context, r *http.Request, conn *websocket.Conn, sel stream.Selection, replies chan<- []byte) {
	conn.SetReadLimit(s.MaxItemBytes + frameOverhead)
	for {
		kind, b, err := conn.Read(ctx)
		switch {
		case err != nil: // the library has told the client, where there is something to tell
			return
		case kind != websocket.MessageText:
			conn.Close(websocket.StatusUnsupportedData, "frames are text: JSON objects")
			return
		case !utf8.Valid(b): // the library does not look
			conn.Close(websocket.StatusInvalidFramePayloadData, "a text frame is not UTF-8")
			return
		}
		select {
		case replies <- s.publishFrame(ctx, r, sel, b):
		case <-ctx.Done():
			return
		}
	}
}

// publishFrame publishes what a client's frame says, and returns the answer.
func (s *Server) publishFrame(ctx context.Context, r *http.Request, sel stream.Selection, b []byte) []byte {
	f, id, err := s.tryFrame(ctx, r, sel, b)
	if err == nil {
		return wire.AppendAnswer(nil, f.Ref, id)
	}
	p := problemOf(err)
	if p.limit != "" {
		s.metrics.limitHits.WithLabelValues(p.limit).Inc()
	}
	text, err := json.Marshal(p)
	if err != nil {
		text = []byte(`{"type":"internal"}`)
	}
	return wire.AppendRefusal(nil, f.Ref, text)
}

func (s *Server) tryFrame(ctx context.Context, r *http.Request, sel stream.Selection, b []byte) (f wire.ClientFrame, id stream.ID, err error) {
	begin := time.Now()
	if f, err = wire.ParseClientFrame(b); err != nil {
		if syntax := new(wire.SyntaxError); errors.As(err, &syntax) {
			return f, 0, badFrame.at(syntax)
		}
		return f, 0, badFrame.because(err)
	}
	if f.Feed == "" {
		names, plain := sel.Names()
		if !plain || len(names) != 1 {
			return f, 0, badFrame.with("the frame names no feed, and the selector %s is not one feed", sel)
		}
		f.Feed = names[0]
	}
	if err := s.tooFast(r); err != nil {
		return f, 0, err
	}
	receipt, err := s.commit(ctx, r, begin, stream.Batch{Feed: f.Feed, Drafts: []stream.Draft{f.Draft}, Key: f.Key})
	if err != nil {
		return f, 0, fmt.Errorf("publish by a frame: %w", err)
	}
	return f, receipt.First, nil
}
