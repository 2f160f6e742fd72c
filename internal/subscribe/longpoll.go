package subscribe

import (
	"context"
	"net/http"
	"slices"
	"time"

	"feedd/internal/answer"
	"feedd/internal/fanout"
	"feedd/internal/problem"
	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

// LongPoll is what a client wants that asks for a page, and waits for its first
// item if there is none yet.
type LongPoll struct {
	Hub       *stream.Hub
	Selection selector.Selection
	Start     stream.Start
	Limit     int           // of items
	Wait      time.Duration // 0: it does not wait
	Form      *PageForm
	Lease     context.Context // as in Subscription
}

// PageForm is how pages look.
type PageForm struct {
	append func(dst []byte, p wire.Page) []byte
	// gaps says whether it can tell of a gap. If it cannot, a gap is no answer,
	// and the long poll goes on.
	gaps bool
}

var (
	pageJSON = &PageForm{wire.AppendPage, true}
	// PageTimestamped is the form that the legacy interface has.
	PageTimestamped = &PageForm{func(dst []byte, p wire.Page) []byte { return wire.AppendTimestamped(dst, p.Items) }, false}
)

// LongPoll answers a long poll: at once if there is something, else with what
// comes first.
//
// On plain TCP a long poll waits in a shard, which writes the answer by itself
// and gives the connection back (see parks). Then this goroutine ends.
func (rs *Readers) LongPoll(w http.ResponseWriter, r *http.Request, p LongPoll) error {
	answer.SetJSON(w.Header())
	page, parked, err := rs.pageFrom(w, r, p)
	if err != nil || parked {
		return err
	}
	rs.delivered.Add(uint64(len(page.Items)))
	return rs.answers.Write(w, http.StatusOK, p.Form.append(nil, page))
}

// pageFrom returns the items after a start. If there are none, it waits for the
// first one, or hands the connection over.
func (rs *Readers) pageFrom(w http.ResponseWriter, r *http.Request, p LongPoll) (page wire.Page, parked bool, err error) {
	ctx, cancel := rs.answers.Linger(r)
	defer cancel()
	parks := p.Hub == rs.hub && p.Lease == nil && rs.parks(r)
	var onEnd func(fanout.End)
	var waiter *stream.Waiter
	if p.Wait > 0 {
		var refused *problem.Problem
		if onEnd, refused = rs.Admit(r, p.Hub, p.Selection, !parks); refused != nil {
			return page, false, refused
		}
		defer func() {
			if !parked {
				onEnd(fanout.EndAnswered)
			}
		}()
		if !parks {
			waiter = p.Hub.Wait(p.Selection)
			defer waiter.Close()
			p.Selection = waiter.Selection()
		}
	}
	cur, err := p.Hub.Open(ctx, p.Selection, p.Start)
	if err != nil {
		return page, false, err
	}
	end := time.Now().Add(p.Wait)
	var over <-chan struct{}   // its session has ended, or it was cut
	var looks <-chan time.Time // at the peer
	if waiter != nil {
		look := time.NewTicker(rs.peerLook)
		defer look.Stop()
		looks = look.C
		row := rs.register.enter(r, Subscription{Hub: p.Hub, Selection: p.Selection, Lease: p.Lease})
		defer rs.register.leave(row)
		rs.recheckRow(r, row)
		row.stands(cur.Position(), true)
		over = row.life.Done()
	}
	for {
		page, err = rs.collect(ctx, p.Hub, cur, p.Limit)
		switch {
		case err != nil || p.Wait == 0 || len(page.Items) > 0 || page.Gap != nil && p.Form.gaps:
			return page, false, err
		case page.Gap != nil:
			continue // it was passed over
		case parks:
			parked, err = rs.handOverPoll(w, r, p, cur, time.Until(end), onEnd)
			return page, parked, err
		case r.ProtoMajor == 1 && fanout.PeerEnded(connOf(r), fanout.MaxBehind): // a connection of HTTP/2 has other requests too
			return page, false, nil // it may still read
		}
		timer := time.NewTimer(time.Until(end))
		select {
		case <-looks:
			timer.Stop()
		case <-waiter.C:
			timer.Stop()
		case <-timer.C:
			page, err = rs.collect(ctx, p.Hub, cur, p.Limit) // the cursor moves with the head
			return page, false, err
		case <-rs.hub.Draining():
			timer.Stop()
			return page, false, nil
		case <-over:
			// A client that may still read asks again: every client if the feed is
			// open, and a browser that has signed in anew. A refusal would stop them.
			timer.Stop()
			w.Header().Set("Connection", "close")
			return page, false, nil
		case <-r.Context().Done():
			timer.Stop()
			return page, false, nil // a client that ended only the sending half still reads
		}
	}
}

// parks reports whether a poll may wait in a shard: its connection can be taken
// back, and is kept after the answer.
func (rs *Readers) parks(r *http.Request) bool {
	return rs.returning != nil && r.ProtoMajor == 1 && r.ProtoMinor == 1 && !r.Close && rs.shards.Takes(connOf(r))
}

// handOverPoll lets a poll wait in a shard.
func (rs *Readers) handOverPoll(w http.ResponseWriter, r *http.Request, p LongPoll, cur *stream.Cursor, wait time.Duration, onEnd func(fanout.End)) (parked bool, err error) {
	reply := rs.replies.of(p.Form, w.Header())
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false, err
	}
	// From here on this goroutine cannot answer.
	back := conn
	if n := buf.Reader.Buffered(); n > 0 {
		early, _ := buf.Reader.Peek(n)
		back = &aheadConn{conn, slices.Clone(early)}
	}
	err = rs.shards.Adopt(conn, fanout.Subscriber{
		Cursor: cur, PositionTold: cur.Position(), OnEnd: onEnd,
		LongPoll: &fanout.LongPoll{
			Wait: wait, Items: p.Limit, Reply: reply,
			Ahead: back != conn, Return: func() { rs.returning.put(back) },
		},
	})
	if err != nil {
		onEnd(fanout.EndFailed)
		conn.Close()
		return true, nil
	}
	rs.recheckAdopted(r)
	return true, nil
}
