// Package socket speaks WebSocket: a stream of package subscribe goes out in
// frames, and what a client sends in frames is published.
//
// A WebSocket has three goroutines: the handler's runs the loop of the stream,
// one reads frames, and one pings. All have ended when Serve returns.
package socket

import (
	"context"
	"net/http"
	"sync"
	"time"

	"feedd/internal/access"
	"feedd/internal/fanout"
	"feedd/internal/problem"
	"feedd/internal/publish"
	"feedd/internal/subscribe"
)

// FarewellTimeout is how long a client may take to answer the closing of a
// WebSocket. It is some round trips of the slowest network, and leaves a server
// that stops time for the next steps.
const FarewellTimeout = 5 * time.Second

// Options is what Sockets need. All fields are required.
type Options struct {
	Readers   *subscribe.Readers
	Publisher *publish.Publisher
	Bodies    *publish.Bodies // those of Publisher
	Gate      *access.Gate
	Problems  *problem.Reporter
	// Heartbeat is how often a client is asked whether it is there, and
	// StallTimeout how long it may take nothing and answer nothing.
	Heartbeat    time.Duration
	StallTimeout time.Duration
	Farewell     time.Duration // see FarewellTimeout
}

// Sockets are the WebSockets of a server.
type Sockets struct {
	readers   *subscribe.Readers
	publisher *publish.Publisher
	bodies    *publish.Bodies
	gate      *access.Gate
	problems  *problem.Reporter
	heartbeat time.Duration
	stall     time.Duration
	farewell  time.Duration
	open      open
}

// New returns Sockets. They must be closed.
func New(o Options) *Sockets {
	s := &Sockets{
		readers: o.Readers, publisher: o.Publisher, bodies: o.Bodies, gate: o.Gate, problems: o.Problems,
		heartbeat: o.Heartbeat, stall: o.StallTimeout, farewell: o.Farewell,
	}
	s.open.cut, s.open.cutAll = context.WithCancel(context.Background())
	return s
}

// Serve answers with a stream over WebSocket, on which the client may publish as
// well.
func (s *Sockets) Serve(w http.ResponseWriter, r *http.Request, q subscribe.Request) error {
	if err := s.gate.SameOrigin(r); err != nil {
		return err
	}
	start, _, err := subscribe.StartOf(r, q.Query, subscribe.MaxLast)
	if err != nil {
		return err
	}
	onEnd, refused := s.readers.Admit(r, q.Hub, q.Selection, true)
	if refused != nil {
		return refused
	}
	end := fanout.EndGone
	defer func() { onEnd(end) }()
	loop, err := s.readers.NewLoop(r, subscribe.Subscription{
		Hub: q.Hub, Selection: q.Selection, Start: start, Presented: subscribe.PresentedID(r, q.Query),
		Encoder: subscribe.Frames, Lease: access.Session(r),
	})
	if err != nil {
		return err
	}
	defer loop.Close()
	conn, raw, err := accept(w, r)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	// The http.Server does not know of the connection any more.
	life, cut, ok := s.open.enter(r.Context())
	if !ok {
		return nil
	}
	defer s.open.leave()
	defer cut()
	// Nothing that the library does with the connection outlives this.
	context.AfterFunc(life, raw.cut)
	defer context.AfterFunc(loop.Life(), cut)() // at once, because it may publish
	ctx, stop := context.WithCancel(life)
	defer stop()
	out := &outlet{conn: conn, raw: raw, life: life, stall: s.stall, farewell: s.farewell, turn: make(chan struct{}, 1)}
	why := make(chan farewell, 1)
	go func() {
		defer stop()
		bye := s.readFrames(r, out, q.Selection)
		if bye == (farewell{}) {
			cut() // the client is gone: no write to it may wait any more
		}
		why <- bye
	}()
	stopPings := out.ping(ctx, s.heartbeat, stop)
	end = loop.Run(ctx, out, out.settle)
	if silent := stopPings(); silent || out.stalled.Load() {
		end = fanout.EndStalled
	}
	if end == fanout.EndGone { // readFrames knows why, or will in a moment
		raw.SetReadDeadline(time.Now().Add(s.farewell))
		out.close(<-why)
		return nil
	}
	out.close(farewellOf(end, loop.Resume()))
	cut()
	<-why
	return nil
}

// Count returns how many WebSockets are open.
func (s *Sockets) Count() int { return s.open.count() }

// Close waits for the WebSockets to end, as they do when the hub drains; when
// ctx ends it cuts those that are left.
func (s *Sockets) Close(ctx context.Context) {
	s.open.mu.Lock()
	s.open.closed = true
	s.open.mu.Unlock()
	stop := context.AfterFunc(ctx, s.open.cutAll)
	s.open.done.Wait()
	stop()
	s.open.cutAll()
}

// open are the WebSockets that are open.
type open struct {
	mu     sync.Mutex // guards closed and number, and done.Add against Wait
	closed bool
	number int
	done   sync.WaitGroup
	cut    context.Context
	cutAll func()
}

// enter counts a WebSocket in. The context ends when it is cut.
func (o *open) enter(parent context.Context) (ctx context.Context, cancel func(), ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, nil, false
	}
	o.done.Add(1)
	o.number++
	ctx, end := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(o.cut, end)
	return ctx, func() { stop(); end() }, true
}

// leave counts a WebSocket out.
func (o *open) leave() {
	o.mu.Lock()
	o.number--
	o.mu.Unlock()
	o.done.Done()
}

func (o *open) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.number
}
