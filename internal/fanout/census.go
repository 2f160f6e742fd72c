package fanout

import (
	"net/netip"
	"time"

	"feedd/internal/stream"
)

// State says what a subscriber waits for.
type State string

const (
	Parked     State = "parked"      // it has everything
	Blocked    State = "blocked"     // its connection takes no more at the moment
	CatchingUp State = "catching-up" // it is behind, and its turn will come
)

// Member is a subscriber that Shards serve, as it was at a moment.
type Member struct {
	ID       string // names it for Cut, and never another one
	Address  netip.AddrPort
	Joined   time.Time
	Selector string
	Encoding *stream.Encoding // nil for a long poll
	State    State
	// Position is where it stands, 0 while a worker moves it.
	Position stream.ID
}
