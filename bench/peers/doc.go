// Package peers holds the servers that bench/compare puts beside feedd, each in
// a directory of its own, and install, which gets those that are Debian's.
//
// Each does the same and no more: it takes an item as the body of a POST, and
// sends it as an event of SSE, with an id, to all that hold a GET at that
// moment. None keeps an item, but for nchan, whose buffer is in memory. Each
// listens on a free port of the loopback and prints its URL as its first line.
package peers
