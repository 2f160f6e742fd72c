package subscribe

import (
	"cmp"
	"context"
	"net"
	"net/http"

	"feedd/internal/clip"
	"feedd/internal/fanout"
	"feedd/internal/problem"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

// Subscription is what a client wants of a stream.
type Subscription struct {
	Hub       *stream.Hub
	Selection selector.Selection
	Start     stream.Start
	// Presented is the id that the client gave, 0 for none.
	Presented stream.ID
	Encoder   *Encoder
	// Lease is the life of the session that it needs, nil for none: it ends
	// with that.
	Lease context.Context
}

// serve serves a stream. If it returns an error, nothing was written, and onEnd
// was called.
//
// On plain TCP the handler opens the stream and gives the connection away; the
// shards do the rest, and this goroutine ends. Everything else (TLS, HTTP/2, a
// unix socket, a platform without epoll, what ends with a session) runs a loop
// in it.
func (rs *Readers) serve(w http.ResponseWriter, r *http.Request, sub Subscription, onEnd func(fanout.End)) error {
	if rs.handsOver(r, sub) {
		return rs.handOver(w, r, sub, onEnd)
	}
	return rs.follow(w, r, sub, onEnd)
}

// handsOver reports whether the connection of a stream goes to the shards.
func (rs *Readers) handsOver(r *http.Request, sub Subscription) bool {
	return sub.Hub == rs.hub && sub.Lease == nil && r.ProtoMajor == 1 && rs.shards.Takes(connOf(r))
}

type connKey struct{}

// ConnContext is for http.Server.ConnContext. Without it no connection is given
// to the shards.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// connOf returns the connection of a request, nil if it is not known.
func connOf(r *http.Request) net.Conn {
	conn, _ := r.Context().Value(connKey{}).(net.Conn)
	return conn
}

// handOver opens the stream and gives the connection to the shards.
func (rs *Readers) handOver(w http.ResponseWriter, r *http.Request, sub Subscription, onEnd func(fanout.End)) error {
	end := fanout.EndFailed
	adopted := false
	defer func() {
		if !adopted {
			onEnd(end)
		}
	}()
	cur, err := sub.Hub.Open(r.Context(), sub.Selection, sub.Start)
	if err != nil {
		return err
	}
	// The bytes of the stream go to the connection as they are, neither chunked
	// nor counted. The stream ends with the connection.
	w.Header().Set("Transfer-Encoding", "identity")
	out := rs.output(w)
	if !out.Send(sub.opening(cur)) {
		end = out.End()
		return nil
	}
	conn, _, err := out.Controller().Hijack() // a reader may send nothing behind its request, so what it sent is dropped
	if err != nil {
		rs.logger.Error("a connection cannot be taken over", "err", err)
		return nil
	}
	err = rs.shards.Adopt(conn, fanout.Subscriber{
		Cursor: cur, Encoding: &sub.Encoder.Encoding, PositionTold: cur.Position(), OnEnd: onEnd,
	})
	if err != nil {
		rs.logger.Warn("a stream was closed at its opening", "err", err)
		conn.Close()
		return nil
	}
	adopted = true
	rs.recheckAdopted(r)
	return nil
}

// opening returns what the stream begins with. It repeats the position that the
// client presented: see PresentedID.
func (sub *Subscription) opening(cur *stream.Cursor) []byte {
	return sub.Encoder.Opening(nil, cmp.Or(sub.Presented, cur.Position()), stream.Retry)
}

// Stream answers with a live stream.
func (rs *Readers) Stream(w http.ResponseWriter, r *http.Request, q Request, f Format) error {
	enc := ndjson
	if f == SSE {
		var err error
		if enc, err = sseOf(q.Query); err != nil {
			return err
		}
	}
	start, _, err := StartOf(r, q.Query, MaxLast)
	if err != nil {
		return err
	}
	enc.setHeader(w.Header())
	if r.Method == http.MethodHead {
		return nil
	}
	sub := Subscription{q.Hub, q.Selection, start, PresentedID(r, q.Query), enc, rs.gate.Lease(r, q.Selection)}
	onEnd, p := rs.Admit(r, q.Hub, q.Selection, !rs.handsOver(r, sub))
	if p != nil {
		return rs.refuse(w, r, sub, p)
	}
	if err := rs.serve(w, r, sub, onEnd); err != nil {
		if r.Context().Err() == nil { // else it went before it could begin
			rs.logger.Warn("stream refused", "selector", clip.Text(q.Selection.String()), "err", err)
		}
		return rs.refuse(w, r, sub, problem.Of(err))
	}
	return nil
}

// refuse refuses a stream for a while. A browser's EventSource stops for good
// on any status but 200. So it gets a stream that only says when to come back,
// and comes back by itself, with its position. Everyone else gets the error.
// The connection ends as well, because a client that was refused for want of
// descriptors must not keep one.
func (rs *Readers) refuse(w http.ResponseWriter, r *http.Request, sub Subscription, p *problem.Problem) error {
	w.Header().Set("Connection", "close")
	if sub.Encoder.contentType != sse.contentType || !onlySSE(r) {
		return p
	}
	rs.problems.Count(p)
	wait := stream.JitteredRetry()
	var b []byte
	closing := stream.Closing{Reason: p.Type, Retry: wait}
	if sub.Presented > 0 {
		if sub.Encoder != sseFrames { // an opening that a page sees would say that it is live
			b = sub.Encoder.Opening(b, sub.Presented, wait)
		}
		closing.Cursor = sub.Presented
	}
	rs.output(w).Send(sub.Encoder.Closing(b, closing))
	return nil
}
