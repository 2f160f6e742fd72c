package api

import (
	"cmp"
	"context"
	"net"
	"net/http"

	"feedd/internal/fanout"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

// subscription is what a client wants of a stream.
type subscription struct {
	hub   *stream.Hub
	sel   selector.Selection
	start stream.Start
	// presented is the id that the client gave, 0 for none.
	presented stream.ID
	enc       *encoder
	// lease is the life of the session that it needs, nil for none: it ends
	// with that.
	lease context.Context
}

// subscribe serves a stream. It fails before anything was written, and the
// guest has left then.
//
// On plain TCP the handler opens the stream and gives the connection away; what
// follows is up to the shards, and this goroutine ends. Everything else (TLS,
// HTTP/2, a unix socket, a platform without epoll, what ends with a session)
// runs a loop in it.
func (s *Server) subscribe(w http.ResponseWriter, r *http.Request, sub subscription, g *guest) error {
	if s.handsOver(r, sub) {
		return s.handOver(w, r, sub, g)
	}
	return s.follow(w, r, sub, g)
}

// handsOver reports whether the connection of a stream goes to the shards.
func (s *Server) handsOver(r *http.Request, sub subscription) bool {
	return sub.hub == s.Hub && sub.lease == nil && r.ProtoMajor == 1 && s.Shards.Takes(connOf(r))
}

type connKey struct{}

// ConnContext is for http.Server.ConnContext. Without it no connection is given
// to the shards.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// connOf returns the connection of a request, nil where it is not known.
func connOf(r *http.Request) net.Conn {
	conn, _ := r.Context().Value(connKey{}).(net.Conn)
	return conn
}

// handOver opens the stream and gives the connection to the shards.
func (s *Server) handOver(w http.ResponseWriter, r *http.Request, sub subscription, g *guest) error {
	end := fanout.EndFailed
	adopted := false
	defer func() {
		if !adopted {
			g.left(end)
		}
	}()
	cur, err := sub.hub.Open(r.Context(), sub.sel, sub.start)
	if err != nil {
		return err
	}
	// The bytes of the stream go to the connection as they are: neither chunked
	// nor counted, they end with the connection.
	w.Header().Set("Transfer-Encoding", "identity")
	out := s.output(w)
	if !out.send(sub.opening(cur)) {
		end = out.end()
		return nil
	}
	conn, _, err := out.Controller().Hijack() // what the client has sent behind its request is nothing that it may say
	if err != nil {
		s.Log.Error("a connection cannot be taken over", "err", err)
		return nil
	}
	err = s.Shards.Adopt(conn, fanout.Subscriber{
		Cursor: cur, Encoding: &sub.enc.Encoding, PositionTold: cur.Position(), OnEnd: g.left,
	})
	if err != nil {
		s.Log.Warn("a stream was closed at its opening", "err", err)
		conn.Close()
		return nil
	}
	adopted = true
	s.recheckAdopted(r)
	return nil
}

// opening is what the stream begins with. The position that a client presents
// is told back to it: see presentedID.
func (sub *subscription) opening(cur *stream.Cursor) []byte {
	return sub.enc.Opening(nil, cmp.Or(sub.presented, cur.Position()), stream.Retry)
}
