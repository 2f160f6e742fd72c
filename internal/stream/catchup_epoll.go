//go:build linux && !portable

package stream

import (
	"errors"
	"sync"
	"time"
)

// maxWorkers is how many members are given a page at the same time.
const maxWorkers = 32

// catchUpBounds is how much a member gets before the next one has its turn.
var catchUpBounds = Bounds{Items: 512, Bytes: 64 << 10}

// pool is the workers for members that are behind. They are started as there
// is something to do, and end when there is nothing.
type pool struct {
	shards *Shards

	mu      sync.Mutex // guards the rest
	queue   []*member
	workers int
}

// fate is what becomes of a member that a worker hands back.
type fate uint8

const (
	fateHome    fate = iota // it has everything, as far as the worker saw
	fateBlocked             // its socket is full
	fateGone                // the connection is dead
	fateFailed              // it cannot be gone on with
	fateAgain               // there is more at once; not handed back
)

// push queues a member, which is the workers' from then on.
func (p *pool) push(m *member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, m)
	if p.workers < maxWorkers {
		p.workers++
		p.shards.done.Go(p.work)
	}
}

// pop returns the next member, or nil when the worker shall end.
func (p *pool) pop() *member {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.queue = nil
		p.workers--
		return nil
	}
	m := p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	return m
}

// pages holds the buffers of workers that are at work.
var pages = sync.Pool{New: func() any { return new(page) }}

func (p *pool) work() {
	pg := pages.Get().(*page)
	for m := p.pop(); m != nil; m = p.pop() {
		if m.fate = p.step(m, pg); m.fate == fateAgain {
			p.push(m)
			continue
		}
		m.group.shard.back(m)
	}
	pg.spare(4 * catchUpBounds.Bytes)
	pages.Put(pg)
}

// step gives a member what it has half of, and then a page.
func (p *pool) step(m *member, pg *page) fate {
	s := p.shards
	if s.ctx.Err() != nil || s.hub.drains() {
		return fateHome
	}
	now := s.now()
	if m.half != nil {
		if f := p.finish(m, pg, now); f != fateHome {
			return f
		}
	}
	d, err := s.hub.Next(s.ctx, &m.cursor, catchUpBounds)
	if err != nil {
		p.failed(m, err)
		return fateFailed
	}
	pg.encode(m.enc, &d)
	if len(pg.buf) == 0 {
		m.cursor.Advance(&d)
	} else {
		items, whole, err := m.deliver(pg, &d, now)
		if err != nil {
			return fateGone
		}
		s.tally.caughtUp.Add(1)
		s.tally.delivered.Add(uint64(items))
		if d.Gap != nil {
			s.tally.gaps.Add(1)
		}
		if !whole {
			return fateBlocked
		}
	}
	if d.More {
		return fateAgain
	}
	return fateHome
}

// finish writes the rest of what was written in part. It returns fateHome when
// that is done.
func (p *pool) finish(m *member, pg *page, now time.Duration) fate {
	rest := m.half.notice
	if rest == nil {
		e, err := p.shards.hub.again(p.shards.ctx, &m.cursor, m.half.id)
		if err != nil {
			p.failed(m, err)
		}
		if e == nil {
			// The rest would be of something that is gone. The reader comes
			// back, from the item before.
			return fateFailed
		}
		// A large item is written in many parts: it is not copied for each.
		rest = e.frame(m.enc.Items)[m.half.off:]
	}
	n, err := m.write(rest, now)
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
		m.cursor.after, m.told = m.half.id, m.half.id
		p.shards.tally.delivered.Add(1)
	}
	m.half = nil
	return fateHome
}

// failed tells of an error of the log.
func (p *pool) failed(m *member, err error) {
	if p.shards.ctx.Err() == nil && !errors.Is(err, ErrClosed) {
		p.shards.opts.Log.Warn("stream ended", "selector", m.cursor.Selection().String(), "err", err)
	}
}
