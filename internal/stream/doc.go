// Package stream is the core of feedd: feeds of items on a log, and readers
// that are cursors on that log. It knows nothing of HTTP, SQL or files.
//
// # Words
//
// A feed is a named, ordered sequence of items; it comes into being with its
// first item. An item has an [ID], given at commit and strictly increasing
// over all feeds of a store. A position is the id of a committed item or the
// time of an [Opening]: what a reader can be told to stand at. A
// [selector.Selection] is what a reader asks for. The backlog is what is retained of a feed, the
// window the newest part of it that is held in memory. A [Cursor] is a
// reader's position; a [Gap] tells it of a loss.
//
// # Promises
//
// P1 to P9 are the promises of DESIGN.md; the tests cite them by these numbers.
// This package owes P1 (order), P3 (resume) and P4 (no silent loss) to its
// readers, and asks P2 (an acknowledgement means committed) and P7 (safe retry)
// of a [Log]. What it holds in memory is bounded (P6). [Hub.Drain] tells every
// reader to go (P9).
//
// # How an item travels
//
//	Hub.Publish -> Log.Append (group commit) -> OnCommit function: the hub fills
//	all windows, then moves one head, then the waker tells the listeners: the
//	groups of the shards, and single Waiters.
//
// A reader gets pages of what lies between its cursor and the head: from the
// window if that reaches back far enough, else from Log.Read. There is no
// switch from replay to live, so nothing can be lost or doubled at one: a page
// is always "what is above the cursor and at or below the head".
//
// Most readers are members of a shard (package fanout): the shard's goroutine
// writes to all members of a group the same bytes. A reader on any other
// connection runs a loop of its own: [Hub.Next], write, [Waiter]. Both kinds
// use the same functions for pages, order, gaps and encoding.
//
// # Goroutines
//
// The hub owns one, the waker, started by NewHub and ended by Hub.Close. When
// readers leave, one more goroutine takes out what they selected, and ends. An
// engine may own one committer, which may also do upkeep by a timer. Everything
// else runs on its caller.
package stream
