//go:build linux && !portable

package fanout

import (
	"errors"
	"sync"

	"feedd/internal/clip"
	"feedd/internal/stream"
)

// catchUpBounds is how much a member gets before the next one has its turn.
var catchUpBounds = stream.Bounds{Items: 512, Bytes: 64 << 10}

// pool is the workers for members that are behind.
//
// Most of those are not far behind: their socket was full, and what comes next
// is in the windows. They must not wait for others who read a long backlog, so
// there are two queues: near, which takes from the windows only and never waits
// for anything, and far, which reads the log.
type pool struct {
	shards    *Shards
	near, far queueOf
}

// queueOf is a queue of members with a bounded number of workers. They are
// started as there is something to do, and end when there is nothing.
type queueOf struct {
	most int

	mu      sync.Mutex // guards the rest
	members []*member
	workers int
}

// nearWorkers and farWorkers are how many members are given a page at the same
// time.
const nearWorkers, farWorkers = 8, 24

func newPool(s *Shards) *pool {
	return &pool{shards: s, near: queueOf{most: nearWorkers}, far: queueOf{most: farWorkers}}
}

// push queues a member, which is the workers' from then on.
func (p *pool) push(m *member) { p.put(&p.near, m, p.stepNear) }

func (p *pool) put(q *queueOf, m *member, step func(*member, *page) fate) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.members = append(q.members, m)
	if q.workers < q.most {
		q.workers++
		p.shards.done.Go(func() { p.work(q, step) })
	}
}

// pop returns the next member, or nil when the worker shall end.
func (q *queueOf) pop() *member {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.members) == 0 {
		q.members = nil
		q.workers--
		return nil
	}
	m := q.members[0]
	q.members[0] = nil
	q.members = q.members[1:]
	return m
}

// pages holds the buffers of workers that are at work.
var pages = sync.Pool{New: func() any { return new(page) }}

func (p *pool) work(q *queueOf, step func(*member, *page) fate) {
	pg := pages.Get().(*page)
	for m := q.pop(); m != nil; m = q.pop() {
		switch m.fate = step(m, pg); m.fate {
		case fateAgain:
			p.push(m)
		case fateFar:
			p.put(&p.far, m, p.stepFar)
		default:
			m.group.shard.back(m)
		}
	}
	pg.spare(4 * catchUpBounds.Bytes)
	pages.Put(pg)
}

// fate is what becomes of a member that a worker hands back.
type fate uint8

const (
	fateHome     fate = iota // it has everything, as far as the worker saw
	fateStopped              // the server goes
	fateBlocked              // its socket is full
	fateGone                 // the connection is dead
	fateFailed               // it cannot be gone on with
	fateAnswered             // it was a poll

	// These two are not handed back.
	fateAgain // there is more at once
	fateFar   // the windows do not reach back so far
)

// stepNear gives a member what it has half of, and then a page, from the
// windows.
func (p *pool) stepNear(m *member, pg *page) fate {
	s := p.shards
	if s.stops() {
		return fateStopped
	}
	if m.half != nil {
		var e *stream.Entry
		if m.half.notice == nil {
			var known bool
			if e, known = s.hub.RecallRecent(m.half.id); !known {
				return fateFar
			}
		}
		if f := p.finish(m, e); f != fateHome {
			return f
		}
		if m.poll != nil {
			return fateAnswered
		}
	}
	d, ok := s.hub.Recent(&m.cursor, m.bounds(catchUpBounds))
	if !ok {
		return fateFar
	}
	return p.give(m, pg, &d)
}

// stepFar does the same from the log.
func (p *pool) stepFar(m *member, pg *page) fate {
	s := p.shards
	if s.stops() {
		return fateStopped
	}
	if m.half != nil {
		e, err := s.hub.Recall(s.ctx, &m.cursor, m.half.id)
		if err != nil {
			p.failed(m, err)
			return fateFailed
		}
		if f := p.finish(m, e); f != fateHome {
			return f
		}
	}
	d, err := s.hub.Next(s.ctx, &m.cursor, m.bounds(catchUpBounds))
	if err != nil {
		p.failed(m, err)
		return fateFailed
	}
	return p.give(m, pg, &d)
}

// give writes a delivery to a member.
func (p *pool) give(m *member, pg *page, d *stream.Delivery) fate {
	s := p.shards
	if m.poll != nil {
		return p.giveReply(m, d)
	}
	pg.encode(m.enc, d)
	now := s.now() // the log may have taken its time
	if len(pg.buf) == 0 {
		m.cursor.Advance(d)
		if d.More && now-m.wrote > s.opts.Heartbeat && !m.heartbeat(now) {
			return fateBlocked // or gone, as the next write will find
		}
	} else {
		w, err := m.deliver(pg, d, now)
		if err != nil {
			return fateGone
		}
		s.tally.delivered.Add(uint64(w.items))
		if w.gap {
			s.tally.gaps.Add(1)
		}
		if !w.whole {
			return fateBlocked
		}
		s.tally.caughtUp.Add(1)
	}
	if d.More {
		return fateAgain
	}
	return fateHome
}

// finish writes the rest of what was written in part: of the entry, nil where
// that is gone, or of a notice. It returns fateHome when that is done.
func (p *pool) finish(m *member, e *stream.Entry) fate {
	rest := m.half.notice
	switch {
	case rest != nil:
	case e == nil:
		// The rest would be of something that is gone. The reader comes back,
		// from the item before.
		return fateFailed
	default:
		// A large item is written in many parts: it is not copied for each.
		rest = e.Frame(m.enc.Items)[m.half.off:]
	}
	n, err := m.write(rest, p.shards.now())
	switch {
	case err != nil:
		return fateGone
	case n < len(rest) && m.half.notice != nil:
		m.half.notice = rest[n:]
		return fateBlocked
	case n < len(rest):
		m.half.off += n
		return fateBlocked
	}
	if m.half.notice == nil {
		m.cursor.Finish(m.half.id)
		m.told = m.half.id
		p.shards.tally.delivered.Add(1)
	}
	m.half = nil
	return fateHome
}

// failed tells of an error of the log.
func (p *pool) failed(m *member, err error) {
	if p.shards.ctx.Err() == nil && !errors.Is(err, stream.ErrClosed) {
		p.shards.opts.Logger.Warn("stream ended", "selector", clip.Text(m.cursor.Selection().String()), "err", err)
	}
}
