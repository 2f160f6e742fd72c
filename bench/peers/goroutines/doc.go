// Goroutines is the broadcaster that most people write first: net/http, a
// goroutine and a buffered channel for each subscriber, and a Flush after each
// event. An item that finds a channel full is left out for that subscriber.
//
// GET /sub/{feed} subscribes, POST /pub/{feed} publishes.
package main
