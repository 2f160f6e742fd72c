// Package client publishes to a feedd server and follows its feeds over HTTP.
//
// # Publishing
//
// [Client.Publish] and [Client.PublishBatch] return nil only when the server
// has acknowledged the commit. A try that fails in a way that may pass (no
// connection, a lost answer, 429, 502, 503, 504) is repeated with the same
// Idempotency-Key until the context ends, so that a server that restarts
// neither loses an item nor stores it twice.
//
// # Following
//
// [Client.Follow] hands every selected item to its handler, once and in order,
// over any number of connections. It stands at a position: the id of the last
// block that came whole and that the handler took. Each reconnect presents
// that position, and the server goes on from there; if something is gone the
// handler gets the gap first. Refusals that will not pass end Follow.
//
// [Client.FollowURL] reads the event stream of any server in the same way, as
// the HTML standard says what its fields mean, and never gives up.
//
// The parser of streams is our own (blocks.go, standard.go); the transport loop is
// that of r3labs/sse.
//
// # The key
//
// The key is sent to the origin (scheme, host and port) of the server that the
// Client was made for and to no other, also after redirects. A publish follows a
// redirect only within that origin and only if the method stays.
//
// # Goroutines
//
// Follow has one for each connection, the library's read loop, and it has
// ended when the next connection is made and when Follow returns. Idle
// connections belong to the transport; [Client.Close] closes them.
package client
