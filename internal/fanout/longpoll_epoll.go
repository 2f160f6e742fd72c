//go:build linux && !portable

package fanout

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"feedd/internal/stream"
)

// longPoll is the task of a member that waits for one answer.
//
// It keeps the net.Conn, so that it can be returned: only that knows what Go's
// poller holds for the connection. The net.Conn is not used meanwhile.
type longPoll struct {
	LongPoll
	conn      net.Conn
	rests     *atomic.Int64 // see maxRests
	timer     *time.Timer
	ended     bool // the peer sends nothing more
	returning bool // the connection is in shard.returns
}

// adoptLongPoll takes over the connection of a long poll, for a while.
func (s *Shards) adoptLongPoll(conn net.Conn, m *member, poll *LongPoll) error {
	err := withDescriptor(conn, func(fd int) error { m.fd = fd; return nil })
	if err != nil {
		return err
	}
	m.task = &longPoll{LongPoll: *poll, conn: conn, rests: &s.rests}
	return s.join(m)
}

// begin begins the wait.
func (p *longPoll) begin(s *shard, m *member) {
	p.timer = time.AfterFunc(p.Wait, func() {
		s.put(func(in *inbox) { in.timedOut = append(in.timedOut, m) })
	})
}

// onTimeout ends the wait of a long poll.
func (s *shard) onTimeout(m *member, now time.Duration) {
	if s.has(m) && m.group != nil { // else it was answered meanwhile
		s.conclude(m, now)
	}
}

// conclude answers a long poll with what there is, even if that is nothing. If
// a worker has it, or it is blocked, it is answered when it comes back.
func (s *shard) conclude(m *member, now time.Duration) {
	m.over = true
	if m.state == parked && s.serve(m, 0, now) {
		s.touch(m.group, m.cursor.Position()+1)
	}
}

// heard notes what the peer did. What it sends is left unread, for the
// http.Server that the connection is returned to.
//
// A peer that has ended its sending half may still read, or may be gone: the
// two look alike until something is written. So it is answered at once,
// whatever it has sent before, and takes no subscriber's place for the rest of
// its wait.
func (p *longPoll) heard(s *shard, m *member, kind uint32) (gone bool) {
	behind := p.note(m, kind)
	if p.ended || behind > MaxBehind {
		s.conclude(m, s.all.now())
	}
	return false
}

// note notes what the peer did, and returns how much of it is unread.
func (p *longPoll) note(m *member, kind uint32) (behind int) {
	if kind&unix.EPOLLIN != 0 {
		behind = unread(m.fd)
	}
	p.Ahead = p.Ahead || behind > 0
	p.ended = p.ended || kind&unix.EPOLLRDHUP != 0
	return behind
}

// last reports whether the peer wants nothing behind this answer.
func (p *longPoll) last() bool { return p.ended && !p.Ahead }

// timeout does nothing, because the wait has a timer of its own.
func (p *longPoll) timeout(*shard, *member, time.Duration) {}

func (p *longPoll) farewell(m *member, final bool) []byte {
	return p.Reply.Append(nil, &Answer{At: m.cursor.Position()}, final || p.last())
}

func (p *longPoll) close(*member) {
	p.timer.Stop()
	p.conn.Close()
}

func (p *longPoll) form() form { return pollForm{p.Reply, p.Items, p.rests} }

// pollForm is the form of a group of long polls: its frames are one answer.
type pollForm struct {
	reply *Reply
	items int // of an answer, at most
	rests *atomic.Int64
}

// pollBytes is how large an answer may be, in bytes of items, and one item
// more: as much as a member of a stream gets in a pass, see passBounds.
const pollBytes = 256 << 10

func (p pollForm) bounds(stream.Bounds) stream.Bounds {
	return stream.Bounds{Items: p.items, Bytes: pollBytes}
}

func (p pollForm) encode(f *frames, c *stream.Cursor, d *stream.Delivery) {
	if len(d.Entries) == 0 && d.Gap == nil {
		return
	}
	behind := *c
	behind.Advance(d)
	*f = framesOf(p.reply.Append(nil, &Answer{
		Gap: d.Gap, Entries: d.Entries, At: behind.Position(), More: d.More,
	}, false), p.rests)
}

func (p pollForm) signOfLife(*member, time.Duration) bool { return true }

func (p pollForm) answers() bool { return true }

// framesOf returns the frames of an answer.
func framesOf(b []byte, rests *atomic.Int64) frames {
	if len(b) == 0 {
		return frames{}
	}
	return frames{buf: b, fixed: len(b), answer: &answer{bytes: int64(cap(b)), rests: rests}}
}

// maxRests is how much memory the rests of answers may take together while they
// wait for their readers. Rests must be kept, because an answer cannot be put
// together again once its items are gone. (A stream only notes how far it is in
// an item, which can be encoded again.) 64 MiB are 256 different answers of
// pollBytes.
const maxRests = 64 << 20

// answer is the memory of an answer whose rest some members have yet to take.
// They share it.
type answer struct {
	bytes int64
	rests *atomic.Int64 // counts the bytes of all that are held

	mu      sync.Mutex // guards holders: a worker may release while the shard holds
	holders int
}

// hold keeps the answer for one more member. It returns false if there is no
// room: then the connection ends, and its reader asks again from its cursor.
func (a *answer) hold() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.holders == 0 && a.rests.Add(a.bytes) > maxRests {
		a.rests.Add(-a.bytes)
		return false
	}
	a.holders++
	return true
}

func (a *answer) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.holders--; a.holders == 0 {
		a.rests.Add(-a.bytes)
	}
}
