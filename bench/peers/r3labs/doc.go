// R3labs is the server half of github.com/r3labs/sse/v2, whose client half
// feedd uses: as the library makes it, with streams that begin with their first
// subscriber and no replay, and a handler for publishes.
//
// GET /?stream={feed} subscribes, POST /?stream={feed} publishes.
package main
