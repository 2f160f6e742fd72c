package subscribe

import (
	"math"
	"net/http"
	"net/netip"
)

// Recheck cuts the subscribers that may read only by a key or a rule that is no
// longer in force. A reader that may still read comes back and resumes; the
// others are refused. Readers of feeds by name that are open to everybody stay,
// except for WebSockets, which may publish.
func (rs *Readers) Recheck() {
	rs.cutInShards(func(_ netip.AddrPort, selector string) bool { return rs.gate.Closed(selector) })
	rs.register.cutThose(rs.needsRight)
}

// recheckAdopted does as Recheck for the subscriber of a request, which has
// just come into the shards: a key or rule may have changed after the request
// was checked, and Recheck may have run before the subscriber came.
func (rs *Readers) recheckAdopted(r *http.Request) {
	if !rs.gate.Changed(r) {
		return
	}
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return // the shards have TCP connections only
	}
	rs.cutInShards(func(peer netip.AddrPort, selector string) bool {
		return samePeer(peer, addr) && rs.gate.Closed(selector)
	})
}

// recheckRow does so for a subscriber with a goroutine.
func (rs *Readers) recheckRow(r *http.Request, l *row) {
	if rs.gate.Changed(r) && rs.needsRight(&l.is) {
		l.end()
	}
}

func (rs *Readers) needsRight(row *Row) bool {
	return row.Transport == "websocket" || rs.gate.Closed(row.Selector)
}

func (rs *Readers) cutInShards(which func(addr netip.AddrPort, selector string) bool) {
	for _, m := range rs.shards.Members(math.MaxInt, which) {
		rs.shards.Cut(m.ID)
	}
}

// samePeer compares addresses as the kernel and net/http tell them.
func samePeer(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && a.Addr().Unmap().WithZone("") == b.Addr().Unmap().WithZone("")
}
