package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
)

// queued is how many events wait for a subscriber at most.
const queued = 64

func main() {
	log.SetPrefix("goroutines: ")
	log.SetFlags(0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	b := &broadcaster{feeds: make(map[string]*feed)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sub/{feed}", b.subscribe)
	mux.HandleFunc("POST /pub/{feed}", b.publish)
	fmt.Printf("http://%s\n", l.Addr())
	log.Fatal(http.Serve(l, mux))
}

type broadcaster struct {
	mu    sync.Mutex
	feeds map[string]*feed
}

type feed struct {
	mu          sync.Mutex // guards the rest, and keeps items in one order
	subscribers map[chan []byte]bool
	id          uint64
}

func (b *broadcaster) feed(name string) *feed {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.feeds[name]
	if f == nil {
		f = &feed{subscribers: make(map[chan []byte]bool)}
		b.feeds[name] = f
	}
	return f
}

func (b *broadcaster) publish(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	b.feed(r.PathValue("feed")).send(data)
	w.WriteHeader(http.StatusAccepted)
}

func (f *feed) send(data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.id++
	event := fmt.Appendf(nil, "data: %s\nid: %d\n\n", data, f.id)
	for queue := range f.subscribers {
		select {
		case queue <- event:
		default:
		}
	}
}

func (b *broadcaster) subscribe(w http.ResponseWriter, r *http.Request) {
	f := b.feed(r.PathValue("feed"))
	queue := make(chan []byte, queued)
	f.mu.Lock()
	f.subscribers[queue] = true
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.subscribers, queue)
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	flush := http.NewResponseController(w).Flush
	for {
		if flush() != nil {
			return
		}
		select {
		case event := <-queue:
			if _, err := w.Write(event); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}
