// Package sqlitelog is the embedded engine: a [stream.Engine] on one SQLite
// database, <dir>/feedd.db, in WAL mode with synchronous=FULL. An
// acknowledged batch is on disk, fsynced (P2).
//
// # Who does what
//
// One goroutine, the committer, owns the writing connection. Whoever wants
// something changed queues an operation and waits; the committer takes all
// that wait, runs them in one transaction, commits, tells the watcher, and
// answers (group commit). Between commits it does upkeep in small steps:
// trimming, expiry, purging, giving space back, moving the WAL into the
// database.
//
// Readers take one of a few reading connections for one page each. A page is
// one transaction that ends before the page is used, under the read gate: when
// the WAL passes 8 MiB the committer shuts the gate for the moment in which it
// moves all of it into the database. Without that, overlapping readers keep
// the WAL from ever starting again at its beginning.
//
// What makes room works on a full disk too (room.go), and a store that cannot
// be written when it is opened is read (held.go).
//
// # Tables
//
//	opening  one row for each time the store was opened: time, and last, the
//	         newest position before it. Ids strictly between were never given.
//	feed     one row a feed: what its backlog holds, and lost, the highest id
//	         that retention or a purge took, written in the same transaction.
//	item     one row an item. id is the rowid, so that reading on over all
//	         feeds is a scan; item_feed(feed, id) is for reading one.
//	key      one row an idempotency key, as digests of feed and key and of
//	         what was stored under it; first and last are the ids it got.
//	mark     numbers of the whole store: last (the highest id, should no other
//	         row hold it any more), forgotten (the highest loss of a feed that
//	         was forgotten), probe.
//	source   one row an upstream, by name: at, the last event id that was taken
//	         over from it, written in its items' commit. (Since version 2.)
//
// The version of the tables is the database's user_version. An older one is
// upgraded in one transaction when it is opened; a newer one is an error.
//
// No code but SQLite opens the database files: closing a second descriptor
// would drop SQLite's locks. They may be read with the sqlite3 tool while
// feedd runs.
package sqlitelog
