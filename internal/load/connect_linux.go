package load

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// begin begins connections. Only r.limit of them may be without an answer, so that
// the server's queue of new connections does not overflow.
func (r *reader) begin() {
	r.pollAgain()
	for len(r.later) > 0 && r.later[0].at <= r.now {
		r.ready = append(r.ready, r.later[0].slot)
		r.later = r.later[1:]
	}
	// Some servers answer only when the first item is published. So when no answer
	// has come for a second, more connections may be without one.
	if r.opening >= r.limit && r.now-r.heard > int64(time.Second) {
		r.limit += maxOpening
		r.heard = r.now
	}
	for len(r.ready) > 0 && r.opening < r.limit {
		s := &r.subs[r.ready[0]]
		r.ready = r.ready[1:]
		if s.state == waiting {
			r.open(s)
		}
	}
}

func (r *reader) open(s *subscriber) {
	var from netip.Addr
	if len(r.sources) > 0 {
		from = r.sources[s.source]
	}
	s.began = r.clock.now()
	if s.known {
		s.liveFrom = s.began
	}
	fd, err := connect(r.endpoint.addr, from, s.stalled)
	if err != nil {
		r.putOff(s, err)
		return
	}
	s.fd = int32(fd)
	s.turn++
	s.state = connecting
	r.opening++
	if err := r.arm(s, unix.EPOLL_CTL_ADD, listening); err != nil {
		r.lose(s, err)
	}
}

// ask sends the request, once the connection is there.
func (r *reader) ask(s *subscriber) error {
	if err := socketError(int(s.fd)); err != nil {
		return err
	}
	if err := r.send(s, r.requests[s.group]); err != nil {
		return err
	}
	s.state = asking
	r.counters.asking.Add(1)
	return nil
}

// send sends a request, with the position if there is one.
func (r *reader) send(s *subscriber, request string) error {
	b := append(r.out[:0], request...)
	if id := s.parser.Lines.Position(); len(id) > 0 && s.known && printable(id) {
		b = append(b, "Last-Event-ID: "...)
		b = append(b, id...)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	r.out = b
	if n, err := unix.Write(int(s.fd), b); err != nil || n < len(b) {
		return fmt.Errorf("send the request: %w", errors.Join(err, io.ErrShortWrite))
	}
	return nil
}

// printable reports whether an id can stand in a header field.
func printable(id []byte) bool {
	for _, c := range id {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// answered is called when the head of a good answer has come.
func (r *reader) answered(s *subscriber) {
	r.opening--
	r.heard = r.now
	r.counters.asking.Add(-1)
	r.counters.connected.Add(1)
	r.connected.Record(r.now - s.began)
	s.tries = 0
	s.known = true
	s.state = live
	if s.stalled {
		s.state = deaf
		r.arm(s, unix.EPOLL_CTL_MOD, turnedOff)
	}
	if s.recovering {
		r.checkRecovered(s)
	}
}

// lose closes a connection that broke, or that the server ended.
func (r *reader) lose(s *subscriber, err error) {
	was := s.state
	r.drop(s)
	switch was {
	case deaf, probed:
		s.state = gone
		r.counters.stalledCuts.Add(1)
	case live:
		r.counters.cuts.Add(1)
		r.retry(s)
	default:
		if errors.Is(err, io.EOF) {
			err = errRefused
		}
		r.putOff(s, err)
	}
}

// drop closes the connection, and forgets what was half read.
func (r *reader) drop(s *subscriber) {
	unix.Close(int(s.fd))
	switch s.state {
	case asking:
		r.counters.asking.Add(-1)
		r.opening--
	case connecting:
		r.opening--
	default:
		r.counters.connected.Add(-1)
	}
	s.parser.Restart()
	s.state = waiting
}

// putOff is called when a subscriber could not be connected.
func (r *reader) putOff(s *subscriber, err error) {
	if r.firstError == nil {
		r.firstError = err
	}
	if s.tries++; s.tries >= maxTries && !s.known {
		s.state = gone
		r.counters.gone.Add(1)
		return
	}
	r.retry(s)
}

func (r *reader) retry(s *subscriber) {
	s.state = waiting
	r.later = append(r.later, retry{s.slot, r.clock.now() + int64(retryAfter)})
}
