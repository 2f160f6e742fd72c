package load

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"feedd/internal/histogram"
	"feedd/internal/load/scan"
)

const (
	// readSize is what one read takes at most: as much as the kernel collects for a
	// connection on the loopback while the others are read.
	readSize = 64 << 10
	// batchSize is how many events one epoll_wait returns at most.
	batchSize = 512
	// maxReads is how often one socket is read before the others have their turn: a
	// replay of a long backlog must not delay them by more than half a MiB.
	maxReads = 8
	// maxOpening is how many connections of a reader wait for an answer: with a
	// dozen readers still fewer than the 4,096 that Linux queues for a listener.
	maxOpening = 256
	// maxTries is how often a subscriber that never was connected tries, retryAfter
	// apart: a server that is only busy accepts within a second.
	maxTries   = 4
	retryAfter = 200 * time.Millisecond
	// nap is how long a reader rests after fewer than few events. While a server
	// writes to all its subscribers, events trickle in. To wake up for each would
	// cost more than to read it, and would slow the server down too. Latency is
	// measured with that grain.
	nap = 500 * time.Microsecond
	few = 64 // a full batch of events is eight times as many
	// openingLook is how often, in ms, a reader that has subscribers to connect
	// looks whether more answers may be waited for.
	openingLook = 50
)

// reader runs a share of the subscribers, in one goroutine. It owns all fields,
// except where a field says otherwise.
type reader struct {
	*session
	ep   int
	wake int // an eventfd
	subs []subscriber
	buf  []byte // headroom, and what a read took
	out  []byte // a request
	emit func(*scan.Lines)

	ready   []int32         // subscribers that wait for their turn to connect
	later   []retry         // subscribers that will, in the order of time
	resting []restingPoller // in the order of time
	opening int             // connections without an answer yet
	limit   int             // of opening
	heard   int64           // when the last answer came, or limit was raised

	now     int64 // of the read that is being looked at
	from    int64 // what was published from then on is timed
	current *subscriber
	storm   bool  // some subscribers were dropped and have not recovered
	backAt  int64 // when the dropped subscribers could connect again

	latency, connected, calm, recovered histogram.Histogram
	last                                map[itemName]int64 // nil: there are too many
	fresh, events, bytes                uint64
	foreign, gaps                       uint64
	firstError                          error
	counters                            counters // read by others

	mu       sync.Mutex // guards commands; held for moments
	commands []func()
	stopped  bool
	err      error // why run ended early
}

// counters are what others may look at while the reader runs.
type counters struct {
	fresh, events, bytes                        atomic.Uint64
	connected, asking, gone                     atomic.Int64
	cuts, stalledCuts, recovered, away, drained atomic.Int64
}

// itemName names an item of the run.
type itemName struct {
	pub uint32
	all uint64
}

// maxLast is for how many items it is noted when the last subscriber had them: more
// would cost a reader more than the reading.
const maxLast = 1000

type retry struct {
	slot int32
	at   int64
}

func newReader(s *session, subs []subscriber) (r *reader, err error) {
	r = &reader{session: s, subs: subs, buf: make([]byte, scan.Headroom+readSize), limit: maxOpening, ep: -1, wake: -1}
	r.emit = r.event
	if s.Rate > 0 && s.Rate*s.Duration.Seconds() <= maxLast {
		r.last = make(map[itemName]int64)
	}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	if r.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: wakeSlot}
	if err := unix.EpollCtl(r.ep, unix.EPOLL_CTL_ADD, r.wake, &ev); err != nil {
		return nil, fmt.Errorf("epoll_ctl: %w", err)
	}
	for i := range subs {
		subs[i].slot = int32(i)
		r.ready = append(r.ready, int32(i))
	}
	return r, nil
}

// wakeSlot stands in the events of the eventfd where others have a subscriber's
// slot.
const wakeSlot = -1

func (r *reader) close() {
	for _, fd := range []int{r.ep, r.wake} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// do lets the reader's goroutine call fn soon. Any goroutine may call it, until
// run has ended.
func (r *reader) do(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commands = append(r.commands, fn)
	one := [8]byte{0: 1, 7: 1} // not zero in either byte order
	unix.Write(r.wake, one[:])
}

// run reads until a command stops it.
func (r *reader) run() {
	events := make([]unix.EpollEvent, batchSize)
	r.heard = r.clock.now()
	for !r.stopped {
		r.now = r.clock.now()
		r.begin()
		n, err := unix.EpollWait(r.ep, events, r.timeout())
		if err != nil && err != unix.EINTR {
			r.err = fmt.Errorf("epoll_wait: %w", err)
			break
		}
		// It is set before the first item of the measurement is published.
		r.from = r.measureFrom.Load()
		for i := range events[:max(n, 0)] {
			r.handle(&events[i])
		}
		r.counters.fresh.Store(r.fresh)
		r.counters.events.Store(r.events)
		r.counters.bytes.Store(r.bytes)
		if n > 0 && n < few {
			rest := unix.NsecToTimespec(int64(nap))
			unix.Nanosleep(&rest, nil)
		}
	}
	for i := range r.subs {
		if s := &r.subs[i]; s.state.open() {
			abandon(int(s.fd))
			s.state = gone
		}
	}
}

// timeout returns in how many milliseconds there is something to do without an
// event; -1: never.
func (r *reader) timeout() int {
	switch {
	case len(r.ready) > 0:
		return openingLook
	case len(r.later) > 0 || len(r.resting) > 0:
		at := int64(math.MaxInt64)
		if len(r.later) > 0 {
			at = r.later[0].at
		}
		if len(r.resting) > 0 {
			at = min(at, r.resting[0].at)
		}
		return int(max(0, at-r.now)/1e6) + 1
	}
	return -1
}

func (r *reader) handle(ev *unix.EpollEvent) {
	if ev.Fd == wakeSlot {
		r.obey()
		return
	}
	s := &r.subs[ev.Fd]
	if s.turn != ev.Pad || !s.state.open() {
		return // of a connection that was closed a moment ago
	}
	broken := ev.Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0
	if s.state == connecting && (broken || ev.Events&unix.EPOLLOUT != 0) {
		if err := r.ask(s); err != nil {
			r.lose(s, err)
			return
		}
	}
	switch {
	case s.state == deaf:
		if broken || ev.Events&unix.EPOLLRDHUP != 0 {
			r.lose(s, io.EOF)
		}
	case broken || ev.Events&(unix.EPOLLIN|unix.EPOLLRDHUP) != 0:
		// After a hang-up every read is due, until the one that says so.
		r.read(s, broken || ev.Events&unix.EPOLLRDHUP != 0)
	}
}

// obey runs the commands of other goroutines.
func (r *reader) obey() {
	var b [8]byte
	unix.Read(r.wake, b[:])
	r.mu.Lock()
	list := r.commands
	r.commands = nil
	r.mu.Unlock()
	for _, fn := range list {
		fn()
	}
}

// read reads what the socket has. Events are edge-triggered: for what stays in the
// socket, epoll must be told to look again.
func (r *reader) read(s *subscriber, toEnd bool) {
	for range maxReads {
		n, errno := readSocket(int(s.fd), r.buf[scan.Headroom:])
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN:
			return
		case errno != 0:
			r.lose(s, errno)
			return
		case n == 0:
			r.lose(s, io.EOF)
			return
		}
		r.bytes += uint64(n)
		if s.state == probed {
			r.counters.drained.Add(1)
		} else if err := r.take(s, n); err != nil {
			r.lose(s, err)
			return
		}
		if s.state == deaf || n < readSize && !toEnd {
			return
		}
	}
	r.arm(s, unix.EPOLL_CTL_MOD, listening)
}

// take looks at what a read took.
func (r *reader) take(s *subscriber, n int) error {
	r.now = r.clock.now()
	r.current = s
	err := s.parser.Take(r.buf, n, r.emit)
	if s.state == asking && s.parser.Answered {
		r.answered(s)
	}
	if errors.Is(err, io.EOF) && r.Format == JSON && !s.parser.Closes {
		return r.turnPage(s)
	}
	return err
}

const (
	listening = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET
	turnedOff = unix.EPOLLRDHUP | unix.EPOLLET
)

// arm sets what epoll watches the subscriber's socket for. What is the case already
// makes an event at once.
func (r *reader) arm(s *subscriber, op int, what uint32) error {
	ev := unix.EpollEvent{Events: what, Fd: s.slot, Pad: s.turn}
	if err := unix.EpollCtl(r.ep, op, int(s.fd), &ev); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// event is called for each whole event of the current subscriber.
func (r *reader) event(l *scan.Lines) {
	r.events++
	s := r.current
	m := &l.Mark
	switch {
	case s.stalled:
		return
	case !l.Marked && l.Gap:
		r.gaps++
		return
	case !l.Marked && l.Notice:
		return
	case !l.Marked || !r.anyRun && m.Run != r.id || s.group != r.everything && m.Feed != uint32(s.group):
		r.foreign++
		return
	}
	seq := m.Seq
	if s.group == r.everything {
		seq = m.All
	}
	if int(m.Pub) >= len(s.tracker.next) {
		if !r.anyRun {
			r.foreign++
			return
		}
		s.tracker.grow(int(m.Pub))
	}
	if !s.tracker.note(int(m.Pub), seq) {
		return
	}
	r.fresh++
	if m.At >= r.from && m.At >= s.liveFrom {
		r.latency.Record(r.now - m.At)
		if r.last != nil {
			it := itemName{m.Pub, m.All}
			r.last[it] = max(r.last[it], r.now-m.At)
		}
		if r.storm && s.stays {
			r.calm.Record(r.now - m.At)
		}
	}
	if s.recovering {
		r.checkRecovered(s)
	}
}

var errRefused = errors.New("the server ended the connection without an answer")
