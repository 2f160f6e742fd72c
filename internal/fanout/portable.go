//go:build !linux || portable

package fanout

import (
	"net"
	"net/netip"

	"feedd/internal/stream"
)

// Shards take no connection on this platform: every subscriber has a goroutine
// in package subscribe or socket.
type Shards struct{}

// New returns shards that take nothing.
func New(*stream.Hub, Options) (*Shards, error) { return new(Shards), nil }

// Adopt fails.
func (*Shards) Adopt(net.Conn, Subscriber) error { return errNoTakeover }

// Takes returns false.
func (*Shards) Takes(net.Conn) bool { return false }

// CloseResting does nothing.
func (*Shards) CloseResting(int) {}

// Members returns none.
func (*Shards) Members(int, func(netip.AddrPort, string) bool) []Member { return nil }

// Cut finds no subscriber.
func (*Shards) Cut(string) bool { return false }

// Stats returns nothing.
func (*Shards) Stats() Stats { return Stats{} }

// Close does nothing.
func (*Shards) Close() {}
