// Floor is what a delivery cannot cost less than: the bare loop of write(2)
// over the same sockets, on one thread, and nothing else. It has no feeds,
// keeps no item, waits for no socket and never finds out which connections are gone until it
// writes. What a real server takes beyond it is the server's own.
//
// GET / subscribes, POST / publishes. GET /stats tells what was not sent.
package main
