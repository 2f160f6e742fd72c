//go:build linux && !portable

package fanout

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// censusTurn is how many members a shard looks at for a list before it serves
// others. It asks the kernel for the address of each, which takes some hundred
// microseconds for 500.
const censusTurn = 500

// Members returns at most a number of the subscribers that are wanted. Those
// that are not parked come first, because an operator looks for these.
func (s *Shards) Members(most int, wanted func(addr netip.AddrPort, selector string) bool) []Member {
	lists := make(map[bool][]Member) // by whether they are parked
	for i := range s.list {
		for from, more := 0, true; more; from += censusTurn {
			more = false // the shards may have ended
			s.ask(i, func(sh *shard, now time.Duration) {
				more = from+censusTurn < len(sh.slots)
				sh.census(i, from, most, wanted, now, lists)
			})
		}
	}
	all := append(lists[false], lists[true]...)
	return all[:min(len(all), most)]
}

var stateNames = map[state]State{parked: Parked, blocked: Blocked, catchingUp: CatchingUp}

// Cut closes the connection of a subscriber, which may come back. It reports
// whether there was one of that id.
func (s *Shards) Cut(id string) (found bool) {
	var at int
	var slot, gen uint32
	if n, _ := fmt.Sscanf(id, memberID, &at, &slot, &gen); n != 3 || at < 0 || at >= len(s.list) || fmt.Sprintf(memberID, at, slot, gen) != id {
		return false
	}
	s.ask(at, func(sh *shard, _ time.Duration) {
		if int(slot) >= len(sh.slots) || sh.slots[slot].m == nil || sh.slots[slot].gen != gen {
			return
		}
		m := sh.slots[slot].m
		switch found = m.group != nil; { // else it only rests
		case !found:
		case m.state == catchingUp:
			m.gone = true
		default:
			sh.end(m, EndGone)
		}
	})
	return found
}

const memberID = "s%d-%d-%d"

// ask has fn run in a shard's goroutine, and waits until it has run or the
// shards end.
func (s *Shards) ask(at int, fn func(sh *shard, now time.Duration)) {
	done := make(chan struct{})
	sh := s.list[at]
	sh.put(func(in *inbox) {
		in.asked = append(in.asked, func(now time.Duration) {
			defer close(done)
			fn(sh, now)
		})
	})
	select {
	case <-done:
	case <-sh.ended:
	}
}

// census looks at the members of one turn and adds the subscribers that are
// wanted to two lists, each of at most a number.
func (s *shard) census(at, from, most int, wanted func(netip.AddrPort, string) bool, now time.Duration, lists map[bool][]Member) {
	for i := from; i < min(from+censusTurn, len(s.slots)); i++ {
		m := s.slots[i].m
		if m == nil || m.group == nil || len(lists[m.state == parked]) >= most {
			continue
		}
		addr, selector := peerOf(m.fd), m.group.key.target.Selection().String()
		if !wanted(addr, selector) {
			continue
		}
		one := Member{
			ID:       fmt.Sprintf(memberID, at, m.slot, m.gen),
			Address:  addr,
			Joined:   time.Now().Add(m.joined - now),
			Selector: selector,
			State:    stateNames[m.state],
		}
		if t, ok := m.task.(streaming); ok {
			one.Encoding = t.enc
		}
		if m.state != catchingUp { // else the cursor is a worker's
			one.Position = m.cursor.Position()
		}
		lists[m.state == parked] = append(lists[m.state == parked], one)
	}
}

// peerOf returns the address of a connection's other end.
func peerOf(fd int) netip.AddrPort {
	name, err := unix.Getpeername(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}
