package fanout

import (
	"net/netip"
	"time"

	"feedd/internal/stream"
)

// Member is a subscriber that Shards serve, as it was at a moment.
type Member struct {
	ID       string // names it for Cut, and nobody else ever
	Address  netip.AddrPort
	Since    time.Time
	Selector string
	Encoding *stream.Encoding // nil for one that polls
	State    string           // parked, blocked or catching-up, as DESIGN.md has them
	// Position is where it stands, 0 while somebody moves it.
	Position stream.ID
}
