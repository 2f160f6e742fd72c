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
// The tests cite these by number.
//
//	P1 order      Ids strictly increase. Every reader of a feed sees the same
//	              items, in id order, each once, on every transport.
//	P2 ack        Append returns nil only when the batch is committed as the
//	              log's durability says. No reader sees an item before that.
//	P3 resume     Whoever presents id N gets every retained item above N that
//	              the selection matches, once, in order, then the live ones.
//	P4 no silent  If anything selected after N is gone (trimmed, purged, or
//	   loss       the store was replaced) the reader gets a Gap first. An item
//	              whose ttl ran out, or that was deleted singly, is no loss.
//	P5 isolation  A slow reader costs the others nothing: no queue, page or
//	              goroutine is held for it, nothing in the publish path or in
//	              a shard waits for it, and its share of kernel memory is
//	              bounded.
//	P6 bounded    Memory and disk stay within configured bounds.
//	P7 safe retry A batch repeated with the same key is stored once and gets
//	              the first receipt again, also after a restart.
//	P8 closed     Publishing needs a credential (package auth and api).
//	P9 clean stop Hub.Drain tells every reader; nothing acknowledged is lost.
//
// # How an item travels
//
//	Hub.Publish -> Log.Append (group commit) -> OnCommit function: the hub fills
//	all windows, then moves one head, then the waker tells who waits: the
//	groups of the shards, and single Waiters.
//
// A reader is given pages between its cursor and the head, from the window
// where that reaches back far enough, else from Log.Read. There is no switch
// from replay to live and so no seam: a page is always "what is above the
// cursor and at or below the head".
//
// Most readers are members of a shard (package fanout): the shard's goroutine
// writes to all members of a group the same bytes. A reader on anything but
// plain TCP runs a loop of its own, of [Hub.Next], write and [Waiter]. Paging,
// order, gaps and encoding are the same functions.
//
// # Goroutines
//
// The hub owns one, the waker, started by NewHub and ended by Hub.Close. When
// readers go, one more takes out what they selected, and ends. An engine may own
// one committer, which may also do upkeep by a timer. Everything else runs on
// its caller.
package stream
