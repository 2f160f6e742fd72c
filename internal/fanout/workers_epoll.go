//go:build linux && !portable

package fanout

import (
	"errors"
	"sync"

	"feedd/internal/clip"
	"feedd/internal/stream"
)

// catchUpBounds is how much a member gets before the next one has its turn:
// about what a socket takes at once.
var catchUpBounds = stream.Bounds{Items: 512, Bytes: 64 << 10}

// Workers give members that catch up what comes next for them.
//
// Most of these members are not far behind: their socket was full, and what
// comes next is in memory. They must not wait behind members that replay a long
// backlog, so there are two queues.
const (
	// nearWorkers serve from memory and never block, so there is no use in more
	// of them than processors. Eight use all processors of a small machine, and
	// only a part of those of a large one.
	nearWorkers = 8
	// farWorkers read the log and may all wait for the disk: enough that one slow
	// read does not stop the others, few enough that their frames (64 KiB each)
	// and the reads of a store stay few.
	farWorkers = 24
)

// pool is the two queues.
type pool struct {
	shards    *Shards
	near, far queue
}

// queue holds members, and has a bounded number of workers. They start when
// there is something to do, and end when there is nothing.
type queue struct {
	source source
	most   int // workers

	mu      sync.Mutex // guards the rest
	members []*member
	workers int
}

func newPool(s *Shards) *pool {
	return &pool{
		shards: s,
		near:   queue{source: memory{s.hub}, most: nearWorkers},
		far:    queue{source: store{s}, most: farWorkers},
	}
}

// catchUp hands a member to the workers.
func (s *shard) catchUp(m *member) {
	if m.state == parked {
		m.group.unpark(m)
	}
	m.state, m.room = catchingUp, false
	s.all.pool.push(m)
}

// push queues a member. From then on the workers own it.
func (p *pool) push(m *member) { p.put(&p.near, m) }

func (p *pool) put(q *queue, m *member) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.members = append(q.members, m)
	if q.workers < q.most {
		q.workers++
		p.shards.done.Go(func() { p.work(q) })
	}
}

// pop returns the next member, or nil if the worker must end.
func (q *queue) pop() *member {
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

// buffers holds the frames of workers that have ended.
var buffers = sync.Pool{New: func() any { return new(frames) }}

// work is a worker's goroutine.
func (p *pool) work(q *queue) {
	f := buffers.Get().(*frames)
	for m := q.pop(); m != nil; m = q.pop() {
		switch m.fate = p.step(m, q.source, f); m.fate {
		case fateAgain:
			p.push(m)
		case fateFar:
			p.put(&p.far, m)
		default:
			m.group.shard.handBack(m)
		}
	}
	f.reset()
	f.spare(4 * catchUpBounds.Bytes)
	buffers.Put(f)
}

// fate is what becomes of a member that had its turn.
type fate uint8

const (
	fateHome     fate = iota // it has everything, as far as the worker saw
	fateStopped              // the server goes
	fateBlocked              // its socket is full
	fateGone                 // the connection is dead, or must end
	fateFailed               // the log failed, or the item that it has half of is gone
	fateAnswered             // it was a long poll

	// A member with one of these two fates is not handed back.
	fateAgain // there is more at once
	fateFar   // memory does not reach back so far
)

// source is where a worker finds what a member gets next. found is false if the
// other source must be asked.
type source interface {
	// next returns what comes next for a cursor.
	next(c *stream.Cursor, b stream.Bounds) (d stream.Delivery, found bool, err error)
	// recall returns an entry by its id, nil if it is gone.
	recall(c *stream.Cursor, id stream.ID) (e *stream.Entry, found bool, err error)
}

// memory is the windows: it never blocks.
type memory struct{ hub *stream.Hub }

func (s memory) next(c *stream.Cursor, b stream.Bounds) (stream.Delivery, bool, error) {
	d, found := s.hub.Recent(c, b)
	return d, found, nil
}

func (s memory) recall(_ *stream.Cursor, id stream.ID) (*stream.Entry, bool, error) {
	e, found := s.hub.RecallRecent(id)
	return e, found, nil
}

// store is the windows and the log behind them: it has everything.
type store struct{ shards *Shards }

func (s store) next(c *stream.Cursor, b stream.Bounds) (stream.Delivery, bool, error) {
	d, err := s.shards.hub.Next(s.shards.ctx, c, b)
	return d, true, err
}

func (s store) recall(c *stream.Cursor, id stream.ID) (*stream.Entry, bool, error) {
	e, err := s.shards.hub.Recall(s.shards.ctx, c, id)
	return e, true, err
}

// step gives a member the rest of what was half written, and then what comes
// next.
func (p *pool) step(m *member, from source, f *frames) fate {
	if p.shards.stops() {
		return fateStopped
	}
	if m.half != nil {
		if fate := p.finish(m, from); fate != fateHome {
			return fate
		}
	}
	d, found, err := from.next(&m.cursor, m.group.form.bounds(catchUpBounds))
	switch {
	case err != nil:
		p.failed(m, err)
		return fateFailed
	case !found:
		return fateFar
	}
	return p.give(m, f, &d)
}

// finish writes the rest of what was written in part. It returns fateHome if
// that is done; then more may follow.
func (p *pool) finish(m *member, from source) fate {
	h := m.half
	rest := h.notice
	if rest == nil {
		e, found, err := from.recall(&m.cursor, h.id)
		switch {
		case err != nil:
			p.failed(m, err)
			return fateFailed
		case !found:
			return fateFar
		case e == nil:
			// The item is gone, so its rest cannot be written. The reader comes back
			// with the id of the item before.
			return fateFailed
		}
		// A large item is written in many parts: it is not copied for each.
		rest = e.Frame(m.group.form.(streaming).enc.Items)[h.off:]
	}
	n, err := m.write(rest, p.shards.now())
	switch {
	case err != nil:
		return fateGone
	case n < len(rest) && h.notice != nil:
		h.notice = rest[n:]
		return fateBlocked
	case n < len(rest):
		h.off += n
		return fateBlocked
	}
	if h.notice == nil {
		m.cursor.Finish(h.id)
		m.positionTold = h.id
		p.shards.tally.delivered.Add(1)
	}
	m.dropHalf()
	if m.group.answers {
		return fateAnswered
	}
	return fateHome
}

// give writes a delivery to a member.
func (p *pool) give(m *member, f *frames, d *stream.Delivery) fate {
	s := p.shards
	form := m.group.form
	f.reset()
	form.encode(f, &m.cursor, d)
	now := s.now() // the log may have taken its time
	if len(f.buf) == 0 {
		m.cursor.Advance(d)
		if d.More && now-m.wrote > s.opts.Heartbeat && !form.signOfLife(m, now) {
			return fateBlocked // or gone, as the next write will find
		}
	} else {
		w, err := m.deliver(f, d, now)
		if err != nil {
			return fateGone
		}
		s.tally.delivered.Add(uint64(w.items))
		if w.gap {
			s.tally.gaps.Add(1)
		}
		switch {
		case !w.whole:
			return fateBlocked
		case m.group.answers:
			return fateAnswered
		}
		s.tally.caughtUp.Add(1)
	}
	if d.More {
		return fateAgain
	}
	return fateHome
}

// failed records an error of the log.
func (p *pool) failed(m *member, err error) {
	if p.shards.ctx.Err() == nil && !errors.Is(err, stream.ErrClosed) {
		p.shards.opts.Logger.Warn("stream ended", "selector", clip.Text(m.cursor.Selection().String()), "err", err)
	}
}
