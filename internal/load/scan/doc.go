// Package scan finds the items of a load in what a server sends. Each item carries
// a [Mark]; a [Parser] reads a response to a subscriber, in whatever pieces it
// comes, and yields the marks in it.
//
// It copies nothing but what the end of a read cut: marks are found in place, in
// a buffer that all connections of a reader share. A parser remembers a few words
// between two reads, so a subscriber costs a few hundred bytes.
package scan
