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

// Shards serve subscribers on plain TCP, with neither a goroutine nor a buffer
// for each: see the package's documentation.
type Shards struct {
	hub   *stream.Hub
	opts  Options
	begin time.Time
	list  []*shard
	next  atomic.Uint32 // the shard of the next subscriber
	pool  *pool
	tally tally
	rests atomic.Int64 // bytes, see maxRests
	// passing is how many shards have passes under way.
	passing atomic.Int32

	ctx    context.Context // of reads of the log
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// maxShards is the most shards that New makes by itself, on any number of
// processors: a group is divided among all shards, and the smaller its parts,
// the fewer members share what is encoded once.
const maxShards = 16

// New starts shards: Number of them or, if that is 0, one for each processor.
// Close ends them; it comes before Hub.Close.
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
		s.done.Go(func() { sh.epoll.run(sh.report) })
	}
	return s, nil
}

// Takes reports whether Adopt can take connections like this one.
func (s *Shards) Takes(conn net.Conn) bool {
	_, ok := conn.(*net.TCPConn)
	return ok
}

// Adopt takes a connection over and serves the subscriber on it from where its
// cursor stands. If it returns an error, the connection is still the caller's;
// otherwise the caller must not touch it again.
func (s *Shards) Adopt(conn net.Conn, sub Subscriber) error {
	m := &member{cursor: *sub.Cursor, onEnd: sub.OnEnd, positionTold: sub.PositionTold}
	if sub.LongPoll != nil {
		return s.adoptLongPoll(conn, m, sub.LongPoll)
	}
	return s.adoptStream(conn, m, sub.Encoding)
}

// join gives a member to a shard. It fails when the shards were closed.
func (s *Shards) join(m *member) error {
	m.begin(s.now())
	// This goroutine makes the subscriber's terms known, and not the shard's,
	// which has others to serve.
	s.hub.Share(&m.cursor)
	s.tally.members.Add(1)
	if !s.list[int(s.next.Add(1))%len(s.list)].join(m) {
		s.tally.members.Add(-1)
		m.cursor.Target().Release()
		return stream.ErrClosed
	}
	return nil
}

// withDescriptor calls fn with the descriptor of a connection, which still owns
// it.
func withDescriptor(conn net.Conn, fn func(fd int) error) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return errNoTakeover
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return fmt.Errorf("%w: %w", errNoTakeover, err)
	}
	var failed error
	if err = raw.Control(func(fd uintptr) { failed = fn(int(fd)) }); err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errNoTakeover, err)
	}
	return nil
}

// duplicate returns a duplicate of a connection's descriptor. The descriptor
// that the Go runtime polls is not fit: each event would wake the runtime too,
// and a write would meet the runtime's deadlines and locks.
func duplicate(conn net.Conn) (fd int, err error) {
	err = withDescriptor(conn, func(old int) (err error) {
		fd, err = unix.FcntlInt(uintptr(old), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// Stats returns what was done so far.
func (s *Shards) Stats() Stats { return s.tally.stats() }

// Close ends all subscribers, with a notice if the hub is draining. It returns
// when the connections are closed and the goroutines have ended.
func (s *Shards) Close() {
	s.cancel()
	for _, sh := range s.list {
		sh.stop()
	}
	s.done.Wait()
}

// stops reports whether members must be sent away.
func (s *Shards) stops() bool { return s.ctx.Err() != nil || s.hub.Stopping() }

// now is the time since the shards began.
func (s *Shards) now() time.Duration { return time.Since(s.begin) }
