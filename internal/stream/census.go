package stream

import (
	"net/netip"
	"time"
)

// Member is a subscriber that Shards serve, as it was at a moment.
type Member struct {
	ID       string // names it for Cut, and nobody else ever
	Address  netip.AddrPort
	Since    time.Time
	Selector string
	Encoding *Encoding // nil for one that polls
	State    string    // parked, blocked or catching-up, as DESIGN.md has them
	// Position is where it stands, 0 while somebody moves it.
	Position ID
}
