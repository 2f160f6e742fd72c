// Package fanout delivers items to subscribers on plain TCP, with neither a
// goroutine nor a buffer for any of them.
//
// # Contract
//
// A caller gives [Shards] a connection and a cursor by Adopt, and is done. From
// then on the subscriber gets what its cursor has before it, in order, each
// item once, with the notices that belong there (P1, P3, P4). It ends when its
// peer goes or takes nothing for the stall timeout, when it was answered (a
// long poll), or when the server stops. OnEnd is called once, and says why.
//
// A subscriber that takes nothing costs the others nothing (P5): no goroutine
// waits for it, and what it was not given is not kept for it. There are two
// exceptions, which are bounded: the rest of a notice that was cut, some
// hundred bytes; and the rests of the answers to long polls, 64 MiB for all
// together.
//
// Nothing is written into an event that was written in part: neither a
// heartbeat nor a gap nor the closing. The rest of the event goes first,
// encoded again to the same bytes. If the item is gone by then, the connection
// is closed, and the reader comes back with the id before it.
//
// # States
//
// A subscriber is a member of a shard. It has one owner at a time, and only the
// owner writes to its connection:
//
//	                  Adopt
//	                    |
//	                    v
//	items come:     +--------+   its socket is full    +---------+
//	the shard  +--> | parked | ----------------------> | blocked |
//	writes     +--- |        |                         |         |
//	them            +--------+                         +---------+
//	                  |    ^                             |     ^
//	 memory does not  |    | it has       its socket has |     | its socket
//	 reach back, or   |    | everything   room           |     | is full
//	 there is more    v    |                             v     |
//	                +--------------------------------------------+
//	                |                catching up                 |
//	                +--------------------------------------------+
//
// A long poll that has its answer, in any state, is no subscriber any more. Its
// connection rests until the peer asks for something else, and then goes back
// to the http.Server.
//
// The shard owns a member while it is parked, blocked or resting. Only the
// shard opens and closes connections. A worker owns a member while it is
// catching up: it gives it a page, queues it again, and hands it back in the
// end.
//
// # Two queues
//
// Members that catch up wait in one of two queues:
//
//	catching up --> near: 8 workers, from memory; they never block
//	                  |
//	                  | memory does not reach back so far
//	                  v
//	                far: 24 workers, from the log; they wait for the disk
//
// Most of them were only blocked for a moment, and what comes next for them is
// in memory. Two queues keep them from standing behind members that replay a
// long backlog. After a page from the log a member begins at near again.
//
// # Groups
//
// The members of a shard with the same selection in the same form (the encoding
// of a stream, or the answer of a long poll) are a group, and the group listens
// for items. When some come, a pass walks over its parked members. Members at
// the same place get the same bytes, encoded once. A pass serves 128 members;
// then the shard looks at its inbox, at the next group, at a part of its
// members for heartbeats and stalled peers, and lets other goroutines run.
//
// No wake is missed: the hub moves its head before it tells the groups, and a
// member that is handed back parks first and is then served up to the head.
//
// # Where to read
//
// A member passes through the files in this order: adopt; shard (the loop that
// owns it); member (how it gets its place); group (passes); stream or longpoll
// (its task and form); socket (what is written, and what that says); workers;
// rest; end. Beside them are sweep, census, epoll and peer.
//
// # Goroutines
//
// Shards own two for each shard, one that serves and one that polls its epoll
// instance, both from New on, and up to 32 workers while members are catching
// up. Close ends them and waits for that. A long poll has a timer, and no
// goroutine.
//
// On other platforms than Linux, and with the build tag portable, Shards take no
// connection, and every subscriber has a goroutine elsewhere.
package fanout
