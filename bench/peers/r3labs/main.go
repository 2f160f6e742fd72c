package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/r3labs/sse/v2"
)

func main() {
	log.SetPrefix("r3labs: ")
	log.SetFlags(0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	streams := sse.New()
	streams.AutoReplay = false
	streams.AutoStream = true
	var last atomic.Uint64
	mux := http.NewServeMux()
	mux.Handle("GET /", streams)
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		// It waits while the stream's queue is full.
		streams.Publish(r.URL.Query().Get("stream"), &sse.Event{
			ID:   strconv.AppendUint(nil, last.Add(1), 10),
			Data: data,
		})
		w.WriteHeader(http.StatusAccepted)
	})
	fmt.Printf("http://%s\n", l.Addr())
	log.Fatal(http.Serve(l, mux))
}
