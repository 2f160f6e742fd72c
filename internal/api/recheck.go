package api

import (
	"math"
	"net/netip"
	"strings"

	"feedd/internal/auth"
)

// Recheck cuts the subscribers that may owe what they read to a key or a rule
// that is no longer in force: whoever may still read comes back and resumes, and
// the others are refused. Those stay who read feeds by name that are open to
// everybody, but for WebSockets, which may publish.
func (s *Server) Recheck() {
	doubtful := func(selector string) bool {
		for name := range strings.SplitSeq(selector, ",") {
			// What a pattern matches may be closed.
			if strings.Contains(name, "*") || !s.Auth.MayRead(auth.Principal{}, name) {
				return true
			}
		}
		return false
	}
	inShards := func(_ netip.AddrPort, selector string) bool { return doubtful(selector) }
	for _, m := range s.Shards.Members(math.MaxInt, inShards) {
		s.Shards.Cut(m.ID)
	}
	s.looped.cutThose(func(row *subscriberRow) bool {
		return row.Transport == "websocket" || doubtful(row.Selector)
	})
}
