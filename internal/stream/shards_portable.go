//go:build !linux || portable

package stream

import (
	"net"
	"net/netip"
)

// Shards take no connection on this platform: every subscriber has a
// goroutine.
type Shards struct{}

// NewShards returns shards that take nothing.
func NewShards(*Hub, ShardOptions) (*Shards, error) { return new(Shards), nil }

// Adopt fails.
func (*Shards) Adopt(net.Conn, Subscriber) error { return errNoTakeover }

// Takes returns false.
func (*Shards) Takes(net.Conn) bool { return false }

// CloseResting does nothing.
func (*Shards) CloseResting(int) {}

// Members returns none.
func (*Shards) Members(int, func(netip.AddrPort, string) bool) []Member { return nil }

// Cut finds nobody.
func (*Shards) Cut(string) bool { return false }

// Stats returns nothing.
func (*Shards) Stats() ShardStats { return ShardStats{} }

// Close does nothing.
func (*Shards) Close() {}
