package api

import (
	"container/list"
	"net"
	"net/http"
	"sync"

	"feedd/internal/fanout"
	"feedd/internal/problem"
	"feedd/internal/socket"
)

// connections are the connections of the http.Server: neither those in the
// shards nor WebSockets.
type connections struct {
	shards   *fanout.Shards
	sockets  *socket.Sockets
	problems *problem.Reporter
	most     int // subscribers' and all; 0: any number

	mu   sync.Mutex // guards the rest
	open map[net.Conn]*list.Element
	idle list.List // of net.Conn, the longest idle first
}

// changed is for http.Server.ConnState. When there are too many connections it
// closes idle ones, first those that rest in the shards. Otherwise these would
// lock out publishers, and load balancers that ask how the server is.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.open[conn]; e != nil {
		c.idle.Remove(e)
	}
	switch state {
	case http.StateHijacked, http.StateClosed:
		delete(c.open, conn)
		return
	case http.StateIdle, http.StateNew: // one that says nothing is as idle
		c.open[conn] = c.idle.PushBack(conn)
	default:
		c.open[conn] = nil
	}
	if state != http.StateNew || c.most == 0 {
		return
	}
	parked := c.shards.Stats()
	over := len(c.open) + parked.Members + c.sockets.Count() - c.most
	if n := min(over, parked.Resting); n > 0 {
		c.problems.CountLimit("descriptors", n)
		c.shards.CloseResting(n)
		over -= n
	}
	for ; over > 0 && c.idle.Len() > 0; over-- {
		oldest := c.idle.Remove(c.idle.Front()).(net.Conn)
		delete(c.open, oldest)
		c.problems.CountLimit("descriptors", 1)
		oldest.Close() // its goroutine notices too, but tells us too late
	}
}

func (c *connections) number() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}
