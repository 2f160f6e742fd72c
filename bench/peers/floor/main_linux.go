package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
)

func main() {
	log.SetPrefix("floor: ")
	log.SetFlags(0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	f := newFanout()
	go f.run()
	fmt.Printf("http://%s\n", l.Addr())
	log.Fatal(http.Serve(l, server{f}))
}

type server struct{ fanout *fanout }

func (s server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost:
		s.publish(w, r)
	case r.URL.Path == "/stats":
		st := s.fanout.stats()
		fmt.Fprintf(w, "full %d\nshort %d\ngone %d\n", st.full, st.short, st.gone)
	default:
		s.subscribe(w)
	}
}

// publish answers when the item before it was written to all subscribers: the loop
// has no queue.
func (s server) publish(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.fanout.items <- data
	w.WriteHeader(http.StatusAccepted)
}

// head is the answer to a subscriber. Without a length or chunks the body goes
// up to the end of the connection, so an event is sent as it is.
const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n"

// subscribe takes the connection away from net/http, and of it the descriptor:
// the rest, buffers, goroutine and the poller's memory, is given back.
func (s server) subscribe(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		log.Print(err)
		return
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, head); err != nil {
		return
	}
	fd, err := duplicate(conn.(*net.TCPConn))
	if err != nil {
		log.Print(err)
		return
	}
	s.fanout.subscribers <- fd
}

// event makes the bytes of an event, once for all subscribers.
func event(b []byte, id uint64, data []byte) []byte {
	b = append(b, "data: "...)
	b = append(b, data...)
	b = append(b, "\nid: "...)
	b = strconv.AppendUint(b, id, 10)
	return append(b, "\n\n"...)
}
