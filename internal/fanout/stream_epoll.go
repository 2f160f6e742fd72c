//go:build linux && !portable

package fanout

import (
	"net"
	"time"

	"golang.org/x/sys/unix"

	"feedd/internal/stream"
)

// streaming is the task of a stream, and the form of a group of streams. All
// that it must remember is in the member.
type streaming struct{ enc *stream.Encoding }

// adoptStream takes over the connection of a stream, by a duplicate of its
// descriptor.
func (s *Shards) adoptStream(conn net.Conn, m *member, enc *stream.Encoding) (err error) {
	if m.fd, err = duplicate(conn); err != nil {
		return err
	}
	m.task = streaming{enc}
	if err := s.join(m); err != nil {
		unix.Close(m.fd)
		return err
	}
	conn.Close()
	return nil
}

func (t streaming) form() form { return t }

func (t streaming) begin(*shard, *member) {}

func (t streaming) bounds(most stream.Bounds) stream.Bounds { return most }

func (t streaming) encode(f *frames, _ *stream.Cursor, d *stream.Delivery) {
	if d.Gap != nil {
		f.buf = t.enc.Gap(f.buf, d.Gap)
		f.fixed = len(f.buf)
	}
	for _, e := range d.Entries {
		f.buf = e.AppendFrame(f.buf, t.enc.Items)
		f.ends = append(f.ends, len(f.buf))
	}
}

func (t streaming) answers() bool { return false }

// heard ends the stream if the peer ends its sending half, or sends too much.
func (t streaming) heard(s *shard, m *member, kind uint32) (gone bool) {
	return kind&unix.EPOLLRDHUP != 0 || !m.discard(s.scratch)
}

// timeout sends a sign of life when the stream was silent for a heartbeat.
func (t streaming) timeout(s *shard, m *member, now time.Duration) {
	if m.state == parked && now-m.wrote > s.all.opts.Heartbeat-s.sweepEvery() && !t.signOfLife(m, now) {
		s.block(m)
	}
}

// signOfLife writes a sign of life, if nothing is half written. It returns
// false if the socket took only a part, or the connection is dead, as the next
// write will find.
func (t streaming) signOfLife(m *member, now time.Duration) bool {
	at := m.cursor.Position()
	moved := m.cursor.Selection().Filtered() && at > m.positionTold
	b := t.enc.Silence(nil, at, moved)
	n, err := m.write(b, now)
	if err != nil || n == 0 {
		return false
	}
	if moved {
		m.positionTold = at
	}
	if n < len(b) {
		m.half = &half{notice: b[n:]}
	}
	return n == len(b)
}

func (t streaming) farewell(m *member, _ bool) []byte {
	return t.enc.Closing(nil, stream.Closing{Reason: "draining", Cursor: m.cursor.Resume(), Retry: stream.JitteredRetry()})
}

func (t streaming) close(m *member) { unix.Close(m.fd) }
