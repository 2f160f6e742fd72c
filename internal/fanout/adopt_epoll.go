//go:build linux && !portable

package fanout

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"feedd/internal/stream"
)

// Shards serve subscribers on plain TCP with neither a goroutine nor a buffer
// for any of them. A subscriber is in one of three states, and has one owner
// at a time, who alone writes to it:
//
//   - parked: it has everything, or will with the pass that is under way. Its
//     shard writes to it when its feeds get items.
//   - blocked: its socket is full. Its shard waits for room, without looking at
//     it (EPOLLOUT).
//   - catching up: it is behind the windows, or was blocked. One of a few
//     workers gives it a page, and it queues again.
//
// The shard has it in the first two states, and alone opens and closes: the
// workers hand it back.
type Shards struct {
	hub   *stream.Hub
	opts  Options
	begin time.Time
	list  []*shard
	next  atomic.Uint32
	pool  *pool
	tally tally
	rests atomic.Int64 // bytes, see restBytes
	// passing is how many shards have passes under way.
	passing atomic.Int32

	ctx    context.Context // of reads of the log
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// maxShards is where more processors give no more shards.
const maxShards = 16

// New starts shards: Number, else as many as there are processors. Close
// ends them; it comes before that of the hub.
func New(h *stream.Hub, opts Options) (*Shards, error) {
	s := &Shards{hub: h, opts: opts, begin: time.Now()}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.pool = newPool(s)
	for range cmp.Or(opts.Number, min(runtime.GOMAXPROCS(0), maxShards)) {
		sh, err := newShard(s)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("start a shard: %w", err)
		}
		s.list = append(s.list, sh)
		s.done.Go(sh.run)
		s.done.Go(func() { sh.poll.run(sh.report) })
	}
	return s, nil
}

// Adopt takes a connection over and serves the subscriber on it from where its
// cursor stands. With an error the connection is still the caller's; without,
// it must not be touched again.
func (s *Shards) Adopt(conn net.Conn, sub Subscriber) error {
	take := takeDescriptor
	if sub.Poll != nil {
		take = descriptorOf
	}
	fd, err := take(conn)
	if err != nil {
		return err
	}
	m := &member{
		cursor: *sub.Cursor, enc: sub.Encoding, left: sub.OnEnd,
		fd: fd, told: sub.PositionTold,
	}
	if sub.Poll != nil {
		m.poll = &polling{Poll: *sub.Poll, conn: conn}
	}
	m.begin(s.now())
	// The terms are put where they are found here, and not in the shard, which
	// has others to serve.
	s.hub.Share(&m.cursor)
	s.tally.members.Add(1)
	sh := s.list[int(s.next.Add(1))%len(s.list)]
	if !sh.come(m) {
		if m.poll == nil {
			unix.Close(fd)
		}
		s.tally.members.Add(-1)
		m.cursor.Target().Release()
		return stream.ErrClosed
	}
	if m.poll == nil {
		conn.Close()
	}
	return nil
}

// descriptorOf returns the descriptor of a connection, which stays its own.
func descriptorOf(conn net.Conn) (fd int, err error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return -1, errNoTakeover
	}
	raw, err := tcp.SyscallConn()
	if err == nil {
		err = raw.Control(func(own uintptr) { fd = int(own) })
	}
	if err != nil {
		return -1, fmt.Errorf("%w: %w", errNoTakeover, err)
	}
	return fd, nil
}

// takeDescriptor returns a descriptor of our own for a connection. The one
// that the Go runtime polls is not fit: each would wake the runtime as well,
// and its deadlines and locks come between.
func takeDescriptor(conn net.Conn) (fd int, err error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return -1, errNoTakeover
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("%w: %w", errNoTakeover, err)
	}
	var dup error
	err = raw.Control(func(old uintptr) {
		fd, dup = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = dup
	}
	if err != nil {
		return -1, fmt.Errorf("%w: %w", errNoTakeover, err)
	}
	return fd, nil
}

// Takes reports whether Adopt can take connections like this one.
func (s *Shards) Takes(conn net.Conn) bool {
	_, ok := conn.(*net.TCPConn)
	return ok
}

// Stats returns what was done so far.
func (s *Shards) Stats() Stats { return s.tally.stats() }

// Close ends all streams, when the hub is draining with a notice, and returns
// when the connections are closed and the goroutines have ended.
func (s *Shards) Close() {
	s.cancel()
	for _, sh := range s.list {
		sh.stop()
	}
	s.done.Wait()
}

// stops reports whether members shall be sent away.
func (s *Shards) stops() bool { return s.ctx.Err() != nil || s.hub.IsDraining() }

// now is the time since the shards began.
func (s *Shards) now() time.Duration { return time.Since(s.begin) }
