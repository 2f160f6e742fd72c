// Package load puts a server of live streams under load and says what it did:
// many subscribers on plain HTTP/1.1, publishers with a schedule, and an exact
// account of every item for every subscriber. It works against any server that
// sends SSE or NDJSON and takes items by POST; nothing of feedd is needed.
//
// # What is measured
//
// Each item carries a mark (see package scan): who published it, its numbers, and
// when. A subscriber knows from the numbers what is missing, came twice or came
// late; those are counts, not samples. What counts as received is a whole
// event: for SSE one that its blank line ended, for NDJSON a line that its
// newline ended. So a stream that is cut inside of an event, and goes on with
// that event after a reconnect, has neither lost nor doubled it.
//
// Items are numbered by publisher, and a publisher waits for each answer before
// it sends the next item. So the order of one publisher's items is known.
// Between publishers the server decides; there it is checked that all
// subscribers of a feed saw one and the same order.
//
// Latency is from the publish to the moment in which the generator had read the
// item. Publishing is an open loop: an item has its time in the schedule, and
// when it goes out late because all publishers still wait for the server, its
// latency counts from the time in the schedule. A server that stands still
// cannot hide that by holding up the generator. Items of the warmup, and
// items that came again after a reconnect, are checked but not timed.
//
// # Pollers
//
// With the format JSON subscribers are pollers, on connections that they keep.
// The first poll of each asks for nothing but a cursor and is answered at once:
// then it is connected. The next ones wait. An item's mark is looked for when
// the answer is whole, so latency is until then.
//
// Last is when the last subscriber had an item: with one item and a long pause,
// the time in which a server answers all pollers that wait.
//
// # What it costs
//
// The generator often shares the machine with the server, so it must be the
// cheaper of the two. Readers wait in epoll, take what one socket has with one
// read into one buffer they use for all, and find the marks in it in place. A
// subscriber is a few hundred bytes, and between two reads its parser remembers
// a few words, unless a line was cut by the end of a read.
//
// # Goroutines
//
// Run has one for every reader (one for two CPUs) and one for every publisher,
// and has waited for all of them when it returns. There is none for a
// subscriber.
package load
