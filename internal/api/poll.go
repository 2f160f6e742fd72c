package api

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"feedd/internal/answer"
	"feedd/internal/problem"
	"feedd/internal/selector"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

// poll is what a waiting page wants.
type poll struct {
	hub   *stream.Hub
	sel   selector.Selection
	start stream.Start
	limit int           // of items
	wait  time.Duration // 0: it does not wait
	form  *pageForm
	lease context.Context // as in subscription
}

// pageForm is what pages look like.
type pageForm struct {
	append func(dst []byte, p wire.Page) []byte
	// gaps says whether it can tell of a gap. Where it cannot, none is an answer.
	gaps bool
}

var (
	pageJSON        = &pageForm{wire.AppendPage, true}
	pageTimestamped = &pageForm{func(dst []byte, p wire.Page) []byte { return wire.AppendTimestamped(dst, p.Items) }, false}
)

// answerPoll answers a poll: at once where there is something, else with what
// comes first.
//
// On plain TCP whoever waits does so in a shard, which writes the answer by
// itself and gives the connection back (handOverPoll): this goroutine ends.
func (s *Server) answerPoll(w http.ResponseWriter, r *http.Request, p poll) error {
	answer.SetJSON(w.Header())
	page, parked, err := s.pageFrom(w, r, p)
	if err != nil || parked {
		return err
	}
	s.metrics.delivered.Add(uint64(len(page.Items)))
	return s.answers.Write(w, http.StatusOK, p.form.append(nil, page))
}

// pageFrom returns the items after a start. When there are none it waits for
// the first one that comes, or hands the connection over.
func (s *Server) pageFrom(w http.ResponseWriter, r *http.Request, p poll) (page wire.Page, parked bool, err error) {
	ctx, cancel := s.answers.Linger(r)
	defer cancel()
	parks := p.hub == s.Hub && p.lease == nil && s.parks(r)
	var g *guest
	var waiter *stream.Waiter
	if p.wait > 0 {
		var refused *problem.Problem
		if g, refused = s.admit(r, p.hub, p.sel, !parks); refused != nil {
			return page, false, refused
		}
		defer func() {
			if !parked {
				g.left(fanout.EndAnswered)
			}
		}()
		if !parks {
			waiter = p.hub.Wait(p.sel)
			defer waiter.Close()
			p.sel = waiter.Selection()
		}
	}
	cur, err := p.hub.Open(ctx, p.sel, p.start)
	if err != nil {
		return page, false, err
	}
	end := time.Now().Add(p.wait)
	var over <-chan struct{}   // its session has ended, or it was cut
	var looks <-chan time.Time // at the peer
	if waiter != nil {
		look := time.NewTicker(peerLook)
		defer look.Stop()
		looks = look.C
		entry := s.looped.enter(r, subscription{hub: p.hub, sel: p.sel, lease: p.lease})
		defer s.looped.leave(entry)
		s.recheckLooped(r, entry)
		entry.stands(cur.Position(), true)
		over = entry.life.Done()
	}
	for {
		page, err = s.collect(ctx, p.hub, cur, p.limit)
		switch {
		case err != nil || p.wait == 0 || len(page.Items) > 0 || page.Gap != nil && p.form.gaps:
			return page, false, err
		case page.Gap != nil:
			continue // it was passed over
		case parks:
			parked, err = s.handOverPoll(w, r, p, cur, time.Until(end), g)
			return page, parked, err
		case r.ProtoMajor == 1 && fanout.PeerEnded(connOf(r), fanout.MaxBehind): // of HTTP/2 it is others' connection, too
			return page, false, nil // it may still read
		}
		timer := time.NewTimer(time.Until(end))
		select {
		case <-looks:
			timer.Stop()
		case <-waiter.C:
			timer.Stop()
		case <-timer.C:
			page, err = s.collect(ctx, p.hub, cur, p.limit) // the cursor moves with the head
			return page, false, err
		case <-s.Hub.Draining():
			timer.Stop()
			return page, false, nil
		case <-over:
			// Whoever may still read asks again: anybody where that is open, and
			// a browser that has signed in anew. A refusal would stop them.
			timer.Stop()
			w.Header().Set("Connection", "close")
			return page, false, nil
		case <-r.Context().Done():
			timer.Stop()
			return page, false, nil // whoever ended only the sending half still reads
		}
	}
}

// parks reports whether a poll may wait in a shard: where its connection is
// taken back, and is kept.
func (s *Server) parks(r *http.Request) bool {
	return s.returned != nil && r.ProtoMajor == 1 && r.ProtoMinor == 1 && !r.Close && s.Shards.Takes(connOf(r))
}

// handOverPoll lets a poll wait in a shard.
func (s *Server) handOverPoll(w http.ResponseWriter, r *http.Request, p poll, cur *stream.Cursor, wait time.Duration, g *guest) (parked bool, err error) {
	reply := s.replies.of(p.form, w.Header())
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false, err
	}
	// From here on nothing can be answered here.
	back := conn
	if n := buf.Reader.Buffered(); n > 0 {
		early, _ := buf.Reader.Peek(n)
		back = &resumed{conn, slices.Clone(early)}
	}
	err = s.Shards.Adopt(conn, fanout.Subscriber{
		Cursor: cur, PositionTold: cur.Position(), OnEnd: g.left,
		LongPoll: &fanout.LongPoll{
			Wait: wait, Items: p.limit, Reply: reply,
			Ahead: back != conn, Return: func() { s.returned.put(back) },
		},
	})
	if err != nil {
		g.left(fanout.EndFailed)
		conn.Close()
		return true, nil
	}
	s.recheckAdopted(r)
	return true, nil
}

// replies are the heads of answers that shards write. There are as many as
// routes set different ones.
type replies struct {
	mu   sync.Mutex // guards list
	list map[replyKey]*fanout.Reply
}

type replyKey struct {
	form *pageForm
	head string
}

// of returns the reply with the fields of a head, which this call is the last to
// look at.
func (rs *replies) of(form *pageForm, h http.Header) *fanout.Reply {
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	h.Write(&b)
	key := replyKey{form, b.String()}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.list[key] == nil {
		if rs.list == nil {
			rs.list = make(map[replyKey]*fanout.Reply)
		}
		rs.list[key] = &fanout.Reply{Append: key.append}
	}
	return rs.list[key]
}

// append appends an answer as http.Server would write it.
func (k *replyKey) append(dst []byte, a *fanout.Answer, last bool) []byte {
	if a.Gap != nil && len(a.Entries) == 0 && !k.form.gaps {
		return dst
	}
	body := k.form.append(nil, wire.Page{
		Items: appendItems(nil, a.Entries), Cursor: a.At, More: a.More, Gap: a.Gap,
	})
	dst = append(dst, k.head...)
	if last {
		dst = append(dst, "Connection: close\r\n"...)
	}
	dst = append(dst, "Date: "...)
	dst = time.Now().UTC().AppendFormat(dst, http.TimeFormat)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}

// returned is the listener of the connections that the shards give back.
type returned struct {
	addr net.Addr
	news chan struct{} // there is something in list, or it is closed

	mu     sync.Mutex // guards the rest
	list   []net.Conn
	closed bool
}

// Returning returns a listener for the http.Server that serves the network
// already, at addr: it accepts the connections of polls that were answered, when
// their peers ask for something else. Without it every waiting page keeps a
// goroutine. It is called once, before anything is served.
func (s *Server) Returning(addr net.Addr) net.Listener {
	s.returned = &returned{addr: addr, news: make(chan struct{}, 1)}
	return s.returned
}

func (l *returned) put(conn net.Conn) {
	l.mu.Lock()
	closed := l.closed
	if !closed {
		l.list = append(l.list, conn)
	}
	l.mu.Unlock()
	if closed {
		conn.Close()
		return
	}
	l.tell()
}

func (l *returned) tell() {
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// Accept waits for the next connection.
func (l *returned) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return nil, net.ErrClosed
		}
		if len(l.list) > 0 {
			conn := l.list[0]
			l.list[0] = nil
			if l.list = l.list[1:]; len(l.list) == 0 {
				l.list = nil
			}
			l.mu.Unlock()
			return conn, nil
		}
		l.mu.Unlock()
		<-l.news
	}
}

// Close closes what was not accepted.
func (l *returned) Close() error {
	l.mu.Lock()
	list := l.list
	l.closed, l.list = true, nil
	l.mu.Unlock()
	for _, conn := range list {
		conn.Close()
	}
	l.tell()
	return nil
}

func (l *returned) Addr() net.Addr { return l.addr }

// resumed is a connection of which something was read already.
type resumed struct {
	net.Conn
	early []byte
}

// NetConn returns the connection itself, for whoever looks at its socket.
func (c *resumed) NetConn() net.Conn { return c.Conn }

// CloseWrite ends the sending half, where the connection has halves.
func (c *resumed) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

func (c *resumed) Read(b []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(b, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}
