// Package database is <dir>/feedd.db as a database: its tables, its versions, how
// it is made, upgraded and opened, and what SQLite's errors mean for a store. It
// knows nothing of what the rows mean.
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
package database
