//go:build linux && !portable

package fanout

import (
	"errors"
	"sort"
	"time"

	"golang.org/x/sys/unix"

	"feedd/internal/stream"
)

// member is a subscriber in a shard. Its fields are its owner's: those of the
// first group are written by the shard only, also while a worker has it.
type member struct {
	slot, gen uint32
	at        int // its place in group.parked, while it is parked
	group     *group
	left      func(End)
	fd        int
	state     state
	gone      bool // the peer went while a worker had it
	room      bool // there was room to write while a worker had it
	inbound   int  // bytes that the peer sent

	cursor stream.Cursor
	enc    *stream.Encoding
	told   stream.ID     // the position that the reader was told last
	half   *half         // what was written in part, nil for nothing
	sent   uint64        // bytes
	acked  uint64        // of those, as far as it is known
	since  time.Duration // when it came
	wrote  time.Duration // when something was sent last
	moved  time.Duration // when acked moved last, or became due to move
	fate   fate          // what the worker says

	poll *polling // nil for a stream
}

type state uint8

const (
	parked state = iota
	blocked
	catchingUp
	resting
)

// half is the rest of what was written in part. Nothing may come before it.
type half struct {
	// id is the item's, of which off bytes were written: they are encoded
	// again, to the same bytes.
	id  stream.ID
	off int
	// notice is the rest itself, where it is not of an item but of a notice of
	// feedd's own: those have at most some hundred bytes, and a gap that was
	// told in part may be another one by now.
	notice []byte
}

// page is a delivery in bytes.
type page struct {
	buf  []byte
	gap  int   // where the gap ends
	ends []int // where each item ends
}

// written says what of a delivery was written.
type written struct {
	items int  // that went whole
	gap   bool // its gap, if only the beginning of it
	whole bool // everything
}

// encode makes the page that of a delivery.
func (p *page) encode(enc *stream.Encoding, d *stream.Delivery) {
	p.buf, p.ends, p.gap = p.buf[:0], p.ends[:0], 0
	if d.Gap != nil {
		p.buf = enc.Gap(p.buf, d.Gap)
		p.gap = len(p.buf)
	}
	for _, e := range d.Entries {
		p.buf = e.AppendFrame(p.buf, enc.Items)
		p.ends = append(p.ends, len(p.buf))
	}
}

// spare drops a buffer that one huge item has made.
func (p *page) spare(most int) {
	if cap(p.buf) > most {
		p.buf = nil
	}
}

// begin takes over the account of what was sent: the head of the answer and the
// opening.
func (m *member) begin(now time.Duration) {
	m.since, m.wrote, m.moved = now, now, now
	if waiting, err := unacknowledged(m.fd); err == nil {
		m.sent = uint64(waiting)
	}
}

// write writes as much as the socket takes now. It returns an error only when
// the connection is dead.
func (m *member) write(b []byte, now time.Duration) (n int, err error) {
	for {
		n, err = unix.Write(m.fd, b)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if errors.Is(err, unix.EAGAIN) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if m.sent == m.acked {
		m.moved = now // from now on there is something to acknowledge
	}
	m.sent += uint64(n)
	m.wrote = now
	return n, nil
}

// deliver writes a delivery, which is encoded in the page, and moves the
// cursor as far as events went whole. It returns what did.
func (m *member) deliver(p *page, d *stream.Delivery, now time.Duration) (w written, err error) {
	n, err := m.write(p.buf, now)
	if err != nil || n == 0 {
		return written{}, err
	}
	if n == len(p.buf) {
		m.cursor.Advance(d)
		m.note(d, len(d.Entries))
		return written{len(d.Entries), d.Gap != nil, true}, nil
	}
	if n < p.gap {
		m.half = &half{notice: append([]byte(nil), p.buf[n:p.gap]...)}
		m.cursor.Step(d, 0)
		m.note(d, 0)
		return written{gap: true}, nil
	}
	items := sort.SearchInts(p.ends, n+1)
	begin := p.gap
	if items > 0 {
		begin = p.ends[items-1]
	}
	m.cursor.Step(d, items)
	m.note(d, items)
	if n > begin {
		m.half = &half{id: d.Entries[items].ID, off: n - begin}
	}
	return written{items: items, gap: d.Gap != nil}, nil
}

// note remembers the position that the reader was told with the gap and the
// first n items.
func (m *member) note(d *stream.Delivery, n int) {
	if n > 0 {
		m.told = d.Entries[n-1].ID
	} else if d.Gap != nil {
		m.told = d.Gap.ID
	}
}

// heartbeat gives a sign of life, when nothing is half written. It reports
// whether the socket took it.
func (m *member) heartbeat(now time.Duration) bool {
	at := m.cursor.Position()
	moved := m.cursor.Selection().Filtered() && at > m.told
	b := m.enc.Silence(nil, at, moved)
	n, err := m.write(b, now)
	if err != nil || n == 0 {
		return false
	}
	if moved {
		m.told = at
	}
	if n < len(b) {
		m.half = &half{notice: b[n:]}
	}
	return n == len(b)
}

// discard reads what the peer sends and throws it away. It reports whether the
// peer is still there, and sends no more than a reader may.
func (m *member) discard(scratch []byte) bool {
	for {
		n, err := unix.Read(m.fd, scratch)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return true
		case err != nil || n == 0:
			return false
		}
		if m.inbound += n; m.inbound > MaxInbound {
			return false
		}
	}
}

// stalled reports whether the peer acknowledged nothing for so long while there
// was something to acknowledge. With a heartbeat there is something twice in
// that time: then it is enough that it was not heard of at all for so long.
// Progress is what the peer's kernel took, not what ours did: a reader with a
// small window that is slow moves on long before our buffer has room again.
func (m *member) stalled(now, most, heartbeat time.Duration) bool {
	if m.sent == m.acked {
		return false
	}
	waiting, err := unacknowledged(m.fd)
	if err != nil {
		return false
	}
	if acked := m.sent - min(m.sent, uint64(waiting)); acked != m.acked {
		m.acked, m.moved = acked, now
	}
	if m.sent == m.acked {
		return false
	}
	return now-m.moved >= most || heartbeat <= most/2 && now-m.moved >= most/2 && unheard(m.fd) >= most
}

// close closes the connection. What the peer has not taken is thrown away, so
// that the kernel does not keep it for one that takes nothing; but a peer that
// did nothing wrong has a while to take it.
func (m *member) close(orderly bool) {
	if n, err := unacknowledged(m.fd); err == nil && n > 0 {
		if orderly {
			unix.SetsockoptInt(m.fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(lastWords.Milliseconds()))
		} else {
			unix.SetsockoptLinger(m.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		}
	}
	if m.poll != nil {
		m.poll.conn.Close()
		return
	}
	unix.Close(m.fd)
}

// lastWords is how long a peer has to take what was sent last.
const lastWords = 10 * time.Second
