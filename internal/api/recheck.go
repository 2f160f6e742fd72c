package api

import (
	"math"
	"net/http"
	"net/netip"
)

// Recheck cuts the subscribers that may owe what they read to a key or a rule
// that is no longer in force: whoever may still read comes back and resumes, and
// the others are refused. Those stay who read feeds by name that are open to
// everybody, but for WebSockets, which may publish.
func (s *Server) Recheck() {
	s.cutInShards(func(_ netip.AddrPort, selector string) bool { return s.gate.Closed(selector) })
	s.looped.cutThose(s.doubtfulRow)
}

// recheckAdopted does as Recheck for the subscriber of a request, which has just
// come into the shards: a key or rule may have changed since the look at the
// request, and Recheck have come before the subscriber.
func (s *Server) recheckAdopted(r *http.Request) {
	if !s.gate.Changed(r) {
		return
	}
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return // the shards have TCP connections only
	}
	s.cutInShards(func(peer netip.AddrPort, selector string) bool {
		return samePeer(peer, addr) && s.gate.Closed(selector)
	})
}

// recheckLooped does so for one with a goroutine.
func (s *Server) recheckLooped(r *http.Request, l *looped) {
	if s.gate.Changed(r) && s.doubtfulRow(&l.row) {
		l.end()
	}
}

func (s *Server) doubtfulRow(row *subscriberRow) bool {
	return row.Transport == "websocket" || s.gate.Closed(row.Selector)
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
