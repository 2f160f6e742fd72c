//go:build linux && !portable

package fanout

import (
	"errors"
	"sort"
	"time"

	"golang.org/x/sys/unix"

	"feedd/internal/stream"
)

// frames are a delivery in bytes.
type frames struct {
	buf   []byte
	fixed int   // buf[:fixed] cannot be encoded again: a gap, or all of an answer
	ends  []int // where each item behind that ends
	// answer is buf, if members may keep the rest of it; nil if buf is used
	// again.
	answer *answer
}

// reset empties the frames.
func (f *frames) reset() {
	if f.answer != nil {
		f.buf, f.answer = nil, nil
	}
	f.buf, f.ends, f.fixed = f.buf[:0], f.ends[:0], 0
}

// spare drops a buffer that one huge item has made large.
func (f *frames) spare(most int) {
	if cap(f.buf) > most {
		f.buf = nil
	}
}

// half is the rest of what was written in part. Nothing else may be written
// before it.
type half struct {
	// id is the item's. The first off bytes of the item were written; it is
	// encoded again, to the same bytes.
	id  stream.ID
	off int
	// notice is the rest itself, if it is not of an item. It must be kept,
	// because a gap that was told in part may be another one by now. A notice of
	// feedd's own has at most some hundred bytes.
	notice []byte
	answer *answer // whose rest notice is; nil: it is a copy
}

// dropHalf gives up the rest of what was written in part.
func (m *member) dropHalf() {
	if m.half != nil && m.half.answer != nil {
		m.half.answer.release()
	}
	m.half = nil
}

// begin counts what was sent before the member came here: the head of the
// answer and the opening.
func (m *member) begin(now time.Duration) {
	m.joined, m.wrote, m.moved = now, now, now
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

// written says what of a delivery was written.
type written struct {
	items int  // that were written whole, or are in an answer that was written in part
	gap   bool // its gap, if only the beginning of it
	whole bool // everything
}

// errNoRoom: the rests of answers take as much memory as they may, see maxRests.
var errNoRoom = errors.New("there is no room for the rest of an answer")

// deliver writes a delivery, which is encoded in the frames, and moves the
// cursor behind the last event that was written whole. It returns what was
// written. After an error the connection must end.
func (m *member) deliver(f *frames, d *stream.Delivery, now time.Duration) (written, error) {
	n, err := m.write(f.buf, now)
	switch {
	case err != nil || n == 0:
		return written{}, err
	case n == len(f.buf):
		m.cursor.Advance(d)
		m.notePosition(d, len(d.Entries))
		return written{items: len(d.Entries), gap: d.Gap != nil, whole: true}, nil
	case n < f.fixed && f.answer != nil:
		if !f.answer.hold() {
			return written{}, errNoRoom
		}
		m.half = &half{notice: f.buf[n:], answer: f.answer}
		return written{items: len(d.Entries), gap: d.Gap != nil}, nil
	case n < f.fixed:
		m.half = &half{notice: append([]byte(nil), f.buf[n:f.fixed]...)}
		m.cursor.Step(d, 0)
		m.notePosition(d, 0)
		return written{gap: true}, nil
	}
	items := sort.SearchInts(f.ends, n+1)
	begin := f.fixed
	if items > 0 {
		begin = f.ends[items-1]
	}
	m.cursor.Step(d, items)
	m.notePosition(d, items)
	if n > begin {
		m.half = &half{id: d.Entries[items].ID, off: n - begin}
	}
	return written{items: items, gap: d.Gap != nil}, nil
}

// block makes a member wait until its socket has room.
func (s *shard) block(m *member) {
	if m.state == parked {
		m.group.unpark(m)
	}
	m.state = blocked
	s.all.tally.blocked.Add(1)
}

// notePosition remembers the position that the reader was told with the gap and
// the first n items.
func (m *member) notePosition(d *stream.Delivery, n int) {
	if n > 0 {
		m.positionTold = d.Entries[n-1].ID
	} else if d.Gap != nil {
		m.positionTold = d.Gap.ID
	}
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

// stalled reports whether the peer acknowledged nothing for the time most,
// while there was something to acknowledge. If there are two heartbeats in that
// time, there is always something; then the peer has stalled as soon as nothing
// was heard of it for that time. Progress is what the peer's kernel took, not
// what ours took: a slow reader with a small window moves on long before our
// buffer has room again.
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
// that the kernel keeps nothing for a peer that takes nothing. If orderly, the
// peer has lastWords to take it.
func (m *member) close(orderly bool) {
	if n, err := unacknowledged(m.fd); err == nil && n > 0 {
		if orderly {
			unix.SetsockoptInt(m.fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(lastWords.Milliseconds()))
		} else {
			unix.SetsockoptLinger(m.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		}
	}
	m.task.close(m)
}

// lastWords is how long a peer has to take what was sent last: long enough for a
// retransmission or two on a bad connection, and short beside the default
// stall_timeout.
const lastWords = 10 * time.Second
