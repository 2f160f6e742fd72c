package api

import (
	"math"
	"net/http"
	"net/netip"
	"strings"

	"feedd/internal/auth"
)

// Recheck cuts the subscribers that may owe what they read to a key or a rule
// that is no longer in force: whoever may still read comes back and resumes, and
// the others are refused. Those stay who read feeds by name that are open to
// everybody, but for WebSockets, which may publish.
func (s *Server) Recheck() {
	s.cutInShards(func(_ netip.AddrPort, selector string) bool { return s.doubtful(selector) })
	s.looped.cutThose(s.doubtfulRow)
}

// recheckAdopted does as Recheck for the subscriber of a request, which has just
// come into the shards: a key or rule may have changed since the look at the
// request, and Recheck have come before the subscriber.
func (s *Server) recheckAdopted(r *http.Request) {
	if !s.changedSince(r) {
		return
	}
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return // the shards have TCP connections only
	}
	s.cutInShards(func(peer netip.AddrPort, selector string) bool {
		return samePeer(peer, addr) && s.doubtful(selector)
	})
}

// recheckLooped does so for one with a goroutine.
func (s *Server) recheckLooped(r *http.Request, l *looped) {
	if s.changedSince(r) && s.doubtfulRow(&l.row) {
		l.end()
	}
}

// changedSince reports whether a key or a rule has changed since the look at who
// asks.
func (s *Server) changedSince(r *http.Request) bool {
	c := callerOf(r)
	return !c.local && c.changes != s.Auth.Changes()
}

// doubtful reports whether not everybody may read all of a selector.
func (s *Server) doubtful(selector string) bool {
	for name := range strings.SplitSeq(selector, ",") {
		// What a pattern matches may be closed.
		if strings.Contains(name, "*") || !s.Auth.MayRead(auth.Principal{}, name) {
			return true
		}
	}
	return false
}

func (s *Server) doubtfulRow(row *subscriberRow) bool {
	return row.Transport == "websocket" || s.doubtful(row.Selector)
}

func (s *Server) cutInShards(which func(addr netip.AddrPort, selector string) bool) {
	for _, m := range s.Shards.Members(math.MaxInt, which) {
		s.Shards.Cut(m.ID)
	}
}

// samePeer compares addresses as the kernel and net/http tell them.
func samePeer(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && a.Addr().Unmap().WithZone("") == b.Addr().Unmap().WithZone("")
}
