package api

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"feedd/internal/access"
	"feedd/internal/problem"

	"github.com/coder/websocket"

	"feedd/internal/fanout"
	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/wire"
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
func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, query url.Values, hub *stream.Hub, sel selector.Selection) error {
	if err := s.gate.SameOrigin(r); err != nil {
		return err
	}
	start, _, err := startOf(r, query, maxLast)
	if err != nil {
		return err
	}
	g, p := s.admit(r, hub, sel, true)
	if p != nil {
		return p
	}
	end := fanout.EndGone
	defer func() { g.left(end) }()
	l, err := s.newLoop(r, subscription{hub, sel, start, presentedID(r, query), frames, access.Session(r)})
	if err != nil {
		return err
	}
	defer l.close()
	conn, raw, err := accept(w, r)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	// The http.Server does not know of the connection any more.
	life, cut, ok := s.sockets.enter(r.Context())
	if !ok {
		return nil
	}
	defer s.sockets.leave()
	defer cut()
	// Nothing that the library does with the connection outlives this.
	context.AfterFunc(life, raw.cut)
	defer context.AfterFunc(l.entry.life, cut)() // at once: it may publish
	ctx, stop := context.WithCancel(life)
	defer stop()
	out := &socket{conn: conn, raw: raw, life: life, stall: s.StallTimeout, farewell: s.farewell, turn: make(chan struct{}, 1)}
	why := make(chan farewell, 1)
	go func() {
		defer stop()
		bye := s.readFrames(r, out, sel)
		if bye == (farewell{}) {
			cut() // the client is gone: nobody waits for a write to it
		}
		why <- bye
	}()
	stopPings := out.ping(ctx, s.Heartbeat, stop)
	end = l.run(ctx, out, out.settle)
	if silent := stopPings(); silent || out.stalled.Load() {
		end = fanout.EndStalled
	}
	if end == fanout.EndGone { // whoever reads knows why, or will in a moment
		raw.SetReadDeadline(time.Now().Add(s.farewell))
		out.close(<-why)
		return nil
	}
	out.close(farewellOf(end, l.cur.Resume()))
	cut()
	<-why
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

// accept upgrades the connection.
func accept(w http.ResponseWriter, r *http.Request) (*websocket.Conn, *takenConn, error) {
	u := &upgrade{ResponseWriter: w}
	// The origin was looked at.
	conn, err := websocket.Accept(u, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err == nil {
		return conn, u.taken, nil
	}
	if u.status == 0 { // the connection is taken over, or broken
		return nil, nil, http.ErrAbortHandler
	}
	return nil, nil, problem.BadRequest.With("this is no handshake of WebSocket: %s", err)
}

// upgrade keeps back the library's own error page, and keeps the connection
// that the library takes.
type upgrade struct {
	http.ResponseWriter
	status int // of a refusal
	taken  *takenConn
}

// Hijack implements http.Hijacker.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	u.taken = &takenConn{Conn: conn}
	return u.taken, buf, nil
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
