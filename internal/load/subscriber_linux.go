package load

import "feedd/internal/load/scan"

// subscriber is one connection, or one that is to be made. It lies in its reader's
// list and is owned by the reader's goroutine.
type subscriber struct {
	// Fixed.
	slot    int32 // in the reader's list
	group   int32 // the items that it is to have: those of one feed, or of all
	source  int32 // address it comes from
	stalled bool  // never reads
	stays   bool  // is not part of the storm

	state    state
	fd       int32
	turn     int32 // grows with each connection, so that events of an old one are known
	tries    int32 // connects that failed after the last that did not
	began    int64 // when the connection was begun
	liveFrom int64 // what was published before is a repetition, after a reconnect
	known    bool  // it was connected before, so it resumes

	// In a storm:
	recovering bool
	need       uint64 // different items it must have to be whole again

	parser  scan.Parser
	tracker tracker
}

// state is where a subscriber stands.
type state uint8

const (
	waiting    state = iota // for its turn to connect
	connecting              // for the connection
	asking                  // for the answer's head
	live                    // reading
	deaf                    // stalled, and connected
	probed                  // was deaf, now reads to see whether it was cut
	away                    // dropped by the storm
	gone                    // for good
)

// open reports whether there is a socket.
func (s state) open() bool {
	return s == connecting || s == asking || s == live || s == deaf || s == probed
}
