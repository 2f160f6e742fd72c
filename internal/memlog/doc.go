// Package memlog is the engine of `store: memory`: a [stream.Engine] that
// keeps its items in memory, bounded by retention, and nothing on disk. What it
// holds is gone with the process; its acknowledgements say so
// ([Log.Durability] is "memory").
//
// # What may touch what
//
// One goroutine changes the store: the committer, started by Open and ended by
// Close, which waits for it. Append and the methods that change something hand
// it their work over a channel and wait; so changes, the hooks and the OnCommit
// function run one after the other in one place. While a hook blocks, what
// comes later waits at the channel, and each wait ends with its context.
//
// The state is guarded by one mutex, which the committer holds for each change
// and readers hold to read. The committer itself reads without it, because it is
// the only writer. Hooks and the OnCommit function are called without it, so a hook
// that blocks does not block readers. What a selection matches is found out
// without it, in an immutable map of the feeds' names, because with many patterns
// and feeds that takes long.
//
// # What is removed, and when
//
// Count, bytes and age are enforced on a feed in the change that adds to it.
// Items whose ttl ran out are never returned; they are taken out before the next
// change and by the committer's sweep, every sweepEvery, which also trims by
// age, drops old keys and forgets feeds, so that memory is given back when
// publishing has ended. Items past their age are readable until they are trimmed:
// to hide them earlier would be a loss that readers are not told of (P4).
package memlog
