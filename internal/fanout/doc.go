// Package fanout gives subscribers on plain TCP what they select, with neither a
// goroutine nor a buffer for any of them: see [Shards]. Where that is not
// possible (another platform than Linux, or built with the tag portable) its
// Shards take nobody, and every subscriber has a goroutine elsewhere.
//
// # Goroutines
//
// Shards own two for each processor, one that serves and one that polls, and up
// to 32 workers while somebody is behind; Shards.Close ends them.
package fanout
