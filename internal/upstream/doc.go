// Package upstream takes the event streams of other servers over into feeds of
// this one: of another feedd, or of any server that speaks what EventSource
// reads.
//
// # What is kept
//
// The last id that was taken over is stored with the items that it brought, in
// the same commit ([stream.Source]). After a crash or a failed commit the next
// connection presents that id. If the upstream can resume, each item is stored
// once, in order. An upstream that gives no ids cannot; what it sent while there
// was no connection is gone.
//
// # What becomes of an event
//
// Its data is an item: a JSON object or array as JSON, anything else as text.
// An event name that feedd does not allow, or that is one of its notices, is left
// out. Two notices of another feedd have a meaning: a gap is logged and counted,
// and a closing is obeyed. An event without data is no item. An event that is
// larger than an item may be is skipped, logged and counted.
//
// # Goroutines
//
// Each upstream has two: one reads into an intake of bounded size, and one commits
// what is in it. [Set.Start] starts them, [Set.Stop] waits for their end. Items
// that arrive during a commit gather for the next one, so batches grow with the
// load.
package upstream
