// Package sqlitelog is the embedded engine: a [stream.Engine] on one SQLite
// database, <dir>/feedd.db, in WAL mode with synchronous=FULL. An
// acknowledged batch is on disk, fsynced (P2).
//
// # What does what
//
// One goroutine, the committer, owns the writing connection. A change is queued
// as an operation, and its caller waits; the committer takes all operations that
// wait, runs them in one transaction, commits, calls the OnCommit function, and
// answers (group commit). Between commits it does upkeep in small steps: trimming,
// expiry, purging, giving space back, moving the WAL into the database.
//
// # A publish, from file to file
//
//	append.go     Append: the caller's part
//	queue.go      the operation waits here, and its caller for the outcome
//	committer.go  the loop: all that waits becomes one transaction, with retries
//	              when the disk is full
//	tx.go         the transaction: what it changes, and the steps of it
//	batch.go      the batch's items, key and source are written
//	trim.go       the feeds that it touched come back into their bounds
//	commit.go     COMMIT; then it is made known and told
//
// The other files: log.go, load.go and held.go open the store, read.go and keep.go
// are the rest of the interface, upkeep.go, wal.go and room.go are what the
// committer does beside publishes, place.go makes sure that the files are still in
// their place.
//
// # Below it
//
// Package database knows the tables and SQLite, registry what is known of the feeds
// in memory, snapshot reads pages, and [feedd/internal/disk] knows the disk.
//
// Operations that make room work on a full disk too (room.go), and a store that
// cannot be written when it is opened is read only (held.go).
package sqlitelog
