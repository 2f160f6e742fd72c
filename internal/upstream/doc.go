// Package upstream takes the event streams of other servers over into feeds of
// this one: of another feedd, or of any server that speaks what EventSource
// reads.
//
// # What is kept
//
// The last id that was taken over is stored with the items that it brought, in
// the same commit ([stream.Source]). Whatever happens between, a crash or a
// failed commit, the next connection presents that id: where the upstream can
// resume, each item is stored once, in order. An upstream that gives no ids
// cannot; what it sent while nobody was connected is gone.
//
// # What becomes of an event
//
// Its data is an item: a JSON object or array as JSON, anything else as text.
// An event name that feedd does not allow is left out, one of feedd's notices
// too; of two notices of a feedd, a gap is logged and counted, and a closing is
// obeyed. An event without data is no item. One that is larger than an item may
// be is passed over, logged and counted.
//
// # Goroutines
//
// Each upstream has two: one commits, and one reads and hands over what came,
// as far as there is room. [Set.Start] starts them, [Set.Stop] waits for their
// end. While a commit is under way, what arrives gathers for the next one: the
// more there is, the larger the batch.
package upstream
