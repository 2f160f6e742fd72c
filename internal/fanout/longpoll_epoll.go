//go:build linux && !portable

package fanout

import (
	"cmp"
	"net"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"feedd/internal/stream"
)

// polling is what a member has that waits for one answer.
//
// It keeps the net.Conn, to be given back: only that knows what Go's poller
// has of the connection. Nobody else touches it meanwhile. While it waits it is
// parked like any other; then it is
//
//   - blocked: its answer was cut. The rest of that is kept, as of a notice.
//   - catching up: what comes next is not in the windows.
//   - resting: it was answered. It is no subscriber any more, and in no group;
//     its connection waits for what the peer asks next.
type polling struct {
	Poll
	conn    net.Conn
	timer   *time.Timer
	over    bool  // the wait has ended, or need not go on
	ended   bool  // the peer sends nothing more
	leaving bool  // it is among those who are given back
	kept    *kept // the memory of the rest of its answer
}

// kept is the memory of an answer of which members have the rest to take. Its
// fields belong to whom the members do: those that share one are of one shard.
type kept struct {
	bytes   int64
	holders int
}

// restBytes is how much memory the rests of answers may have, all together, that
// wait for their readers. A stream keeps only how far it is in an item that can
// be encoded again; an answer may have items that nobody can put together again.
const restBytes = 64 << 20

// keep keeps the rest of an answer, whose memory is shared where others keep
// theirs of the same. It returns false where there is no room: then the
// connection ends, and its reader asks again from its cursor.
func (s *Shards) keep(m *member, rest []byte, shared **kept) bool {
	k := *shared
	if k == nil || k.holders == 0 {
		k = &kept{bytes: int64(cap(rest))}
		if s.rests.Add(k.bytes) > restBytes {
			s.rests.Add(-k.bytes)
			return false
		}
		*shared = k
	}
	k.holders++
	m.poll.kept, m.half = k, &half{notice: rest}
	return true
}

// forget lets go of the rest of an answer.
func (s *Shards) forget(m *member) {
	if m.poll == nil || m.poll.kept == nil {
		return
	}
	k := m.poll.kept
	m.poll.kept = nil
	if k.holders--; k.holders == 0 {
		s.rests.Add(-k.bytes)
	}
}

// last reports whether the peer wants nothing behind this answer.
func (p *polling) last() bool { return p.ended && !p.Ahead }

// pollBytes is how much an answer takes, and one item more.
const pollBytes = 256 << 10

// bounds is how much a member gets at once.
func (m *member) bounds(b stream.Bounds) stream.Bounds {
	if m.poll != nil {
		return stream.Bounds{Items: m.poll.Items, Bytes: pollBytes}
	}
	return b
}

// await begins the wait of a poll.
func (s *shard) await(m *member) {
	if m.poll != nil {
		m.poll.timer = time.AfterFunc(m.poll.Wait, func() {
			s.put(func(in *inbox) { in.over = append(in.over, m) })
		})
	}
}

// timeOut ends the wait of a poll, unless something came.
func (s *shard) timeOut(m *member, now time.Duration) {
	if !s.has(m) || m.state == resting {
		return
	}
	m.poll.over = true
	s.conclude(m, now)
}

// conclude answers a poll whose wait has ended with what there is. Where
// somebody else has it, that is done when it comes back.
func (s *shard) conclude(m *member, now time.Duration) {
	if m.state == parked && s.serve(m, 0, now) {
		s.touch(m.group, m.cursor.Position()+1)
	}
}

// servePoll does for a poll what serve does. Nothing may lie before it.
func (s *shard) servePoll(m *member, b *batch, now time.Duration) (more bool) {
	if len(b.answer) > 0 {
		if s.reply(m, b.answer, &b.kept, now) {
			s.delivered += uint64(len(b.d.Entries))
		}
		return false
	}
	m.cursor.Advance(&b.d)
	if !b.d.More && m.poll.over {
		s.reply(m, m.poll.Reply.Append(nil, &Answer{At: m.cursor.Position()}, m.poll.last()), new(*kept), now)
		return false
	}
	return b.d.More
}

// reply writes an answer, which stays as it is: whoever takes it in parts keeps
// the rest. It reports whether the peer is there.
func (s *shard) reply(m *member, answer []byte, shared **kept, now time.Duration) bool {
	n, err := m.write(answer, now)
	switch {
	case err != nil:
		s.end(m, EndGone)
		return false
	case n < len(answer):
		if !s.all.keep(m, answer[n:], shared) {
			s.end(m, EndGone)
			return false
		}
		s.block(m)
	default:
		s.rest(m)
	}
	return true
}

// rest takes a poll that was answered out of the subscribers, and keeps the
// connection.
func (s *shard) rest(m *member) {
	s.all.forget(m)
	if s.all.stops() || m.poll.last() {
		// What the peer has asked already would make the end a reset, which
		// takes the answer with it.
		m.discard(s.scratch)
		s.end(m, EndAnswered)
		return
	}
	s.leave(m, EndAnswered)
	m.state = resting
	s.all.tally.resting.Add(1)
	if m.poll.Ahead {
		s.goBack(m)
	}
}

// goBack puts a connection that rests among those that are given back, behind
// everything else: who was answered must not ask again before the others have
// their answers.
func (s *shard) goBack(m *member) {
	if !m.poll.leaving {
		m.poll.leaving = true
		if len(s.leaving) == 0 {
			s.gave = s.all.now()
		}
		s.leaving = append(s.leaving, m)
	}
}

// maxHeld is how long connections are held for those who wait for items, when
// there are always some on their way.
const maxHeld = 200 * time.Millisecond

// holdStep is how often a shard that holds some looks whether it need not.
const holdStep = time.Millisecond

// tellPassing tells the other shards whether this one has passes under way.
func (s *shard) tellPassing() {
	if p := len(s.passes) > 0; p != s.passing {
		s.passing = p
		if p {
			s.all.passing.Add(1)
		} else {
			s.all.passing.Add(-1)
		}
	}
}

// giveBack gives a slice of the connections back that somebody wants something
// on.
func (s *shard) giveBack(now time.Duration) {
	s.holds = len(s.leaving) > 0 && s.all.passing.Load() > 0 && now-s.gave < maxHeld
	if s.holds || len(s.leaving) == 0 {
		return
	}
	n := min(len(s.leaving), sliceMembers)
	for _, m := range s.leaving[:n] {
		if !s.has(m) {
			continue
		}
		s.poll.remove(m.fd)
		s.vacate(m)
		m.poll.Back()
	}
	if s.leaving = s.leaving[n:]; len(s.leaving) == 0 {
		s.leaving = nil
	}
}

// happenedTo does what an event on a poll's connection asks for. What the peer
// sends is read by whom the connection is given back to.
//
// A peer that has ended its sending half may still read, or may be gone: both
// look alike until something is written to it. So it is answered at once,
// whatever it has sent before, and holds no place for the rest of its wait.
func (s *shard) happenedTo(m *member, kind uint32) {
	gone := kind&(unix.EPOLLHUP|unix.EPOLLERR) != 0
	behind := 0
	if kind&unix.EPOLLIN != 0 {
		behind = unread(m.fd)
	}
	p := m.poll
	p.Ahead = p.Ahead || behind > 0
	p.ended = p.ended || kind&unix.EPOLLRDHUP != 0
	p.over = p.over || p.ended || behind > MaxBehind
	switch {
	case gone && m.state == catchingUp:
		m.gone = true
	case gone || m.state == resting && p.last():
		s.end(m, EndGone)
	case m.state == resting && p.Ahead:
		s.goBack(m)
	case p.over:
		s.conclude(m, s.all.now())
	}
	if !s.has(m) || kind&unix.EPOLLOUT == 0 {
		return
	}
	switch m.state {
	case catchingUp:
		m.room = true
	case blocked:
		s.catchUp(m)
	}
}

// dismissPoll answers a poll before its time.
func (s *shard) dismissPoll(m *member, now time.Duration) {
	m.write(m.poll.Reply.Append(nil, &Answer{At: m.cursor.Position()}, true), now)
}

// closeResting closes the connections that rest the longest, so many.
func (s *shard) closeResting(n int) {
	if n == 0 {
		return
	}
	var rest []*member
	for i := range s.slots {
		if m := s.slots[i].m; m != nil && m.rests() {
			rest = append(rest, m)
		}
	}
	slices.SortFunc(rest, func(a, b *member) int { return cmp.Compare(a.wrote, b.wrote) })
	for _, m := range rest[:min(n, len(rest))] {
		s.end(m, EndGone)
	}
}

// rests reports whether a member was answered, and its peer has asked for
// nothing since.
func (m *member) rests() bool { return m.state == resting && !m.poll.leaving }

// CloseResting closes connections that rest, about n, soon, and of those of a
// shard the longest resting. Their peers asked for nothing since their last
// answers.
func (s *Shards) CloseResting(n int) {
	share := (n + len(s.list) - 1) / len(s.list)
	for _, sh := range s.list {
		// Whoever asks again before the first were closed means the same ones.
		sh.put(func(in *inbox) { in.crowded = max(in.crowded, share) })
	}
}

// giveReply does for a poll what give does.
func (p *pool) giveReply(m *member, d *stream.Delivery) fate {
	s := p.shards
	var answer []byte
	if len(d.Entries) > 0 || d.Gap != nil {
		answer = m.poll.Reply.Append(nil, answerOf(&m.cursor, d), false)
	}
	if len(answer) == 0 {
		m.cursor.Advance(d)
		if d.More {
			return fateAgain
		}
		return fateHome
	}
	n, err := m.write(answer, s.now())
	if err != nil {
		return fateGone
	}
	s.tally.delivered.Add(uint64(len(d.Entries)))
	if d.Gap != nil {
		s.tally.gaps.Add(1)
	}
	if n == len(answer) {
		return fateAnswered
	}
	if !s.keep(m, answer[n:], new(*kept)) {
		return fateGone
	}
	return fateBlocked
}
