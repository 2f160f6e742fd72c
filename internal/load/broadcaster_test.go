package load

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"feedd/internal/load/scan"
)

// broadcaster is a small SSE server that does what a test wants it to do
// wrong. It keeps everything, and its ids are 1, 2, 3, ...
type broadcaster struct {
	*httptest.Server
	// send says which items a subscriber is sent in the place of the i-th; nil:
	// that one. Subscribers are numbered as they come, from 0, items too.
	send func(b *broadcaster, sub, i int) []int
	// resume says where a subscriber goes on that presents an id.
	resume func(id int) int
	// limit ends each connection behind this many items, in the middle of the
	// next event; 0: none.
	limit int
	// silent answers with the first item only.
	silent bool
	// patience bounds the time of a write; 0: it may take for ever.
	patience time.Duration
	refuse   int // the status of publishes; 0: they are taken
	// busy refuses every so-many-th publish, for now; 0: none.
	busy int

	mu    sync.Mutex // guards what follows
	subs  int
	posts int
	items []string
	grown chan struct{} // closed and made anew with each item
}

func (b *broadcaster) start(t *testing.T) string {
	t.Helper()
	b.grown = make(chan struct{})
	b.Server = httptest.NewUnstartedServer(b)
	b.Config.ConnState = func(c net.Conn, s http.ConnState) {
		if s == http.StateNew {
			c.(*net.TCPConn).SetWriteBuffer(8 << 10) // so that a write soon waits for the reader
		}
	}
	b.Start()
	t.Cleanup(func() {
		b.CloseClientConnections()
		b.Close()
	})
	return b.URL
}

func (b *broadcaster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		b.publish(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if !b.silent {
		w.(http.Flusher).Flush()
	}
	b.stream(w, r)
}

func (b *broadcaster) publish(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if b.refuse > 0 {
		http.Error(w, "not you", b.refuse)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.posts++; b.busy > 0 && b.posts%b.busy == 0 {
		http.Error(w, "later", http.StatusServiceUnavailable)
		return
	}
	if r.Header.Get("Content-Type") == "application/x-ndjson" {
		b.items = append(b.items, strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")...)
	} else {
		b.items = append(b.items, string(data))
	}
	close(b.grown)
	b.grown = make(chan struct{})
	w.WriteHeader(http.StatusAccepted)
}

func (b *broadcaster) stream(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	sub, at := b.subs, len(b.items)
	b.subs++
	b.mu.Unlock()
	if id, err := strconv.Atoi(r.Header.Get("Last-Event-ID")); err == nil && b.resume != nil {
		at = b.resume(id)
	}
	control := http.NewResponseController(w)
	for sent := 0; ; at++ {
		if !b.await(r, at) {
			return
		}
		list := []int{at}
		if b.send != nil {
			list = b.send(b, sub, at)
		}
		for _, i := range list {
			event := fmt.Sprintf("data: %s\nid: %d\n\n", b.item(i), i+1)
			if sent++; b.limit > 0 && sent > b.limit {
				io.WriteString(w, event[:len(event)-2])
				return
			}
			if b.patience > 0 {
				control.SetWriteDeadline(time.Now().Add(b.patience))
			}
			io.WriteString(w, event)
		}
		if control.Flush() != nil {
			return
		}
	}
}

// await waits until there is an item i, or is false.
func (b *broadcaster) await(r *http.Request, i int) bool {
	for {
		b.mu.Lock()
		n, grown := len(b.items), b.grown
		b.mu.Unlock()
		if i < n {
			return true
		}
		select {
		case <-grown:
		case <-r.Context().Done():
			return false
		}
	}
}

func (b *broadcaster) item(i int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.items[i]
}

// publisherOf returns who published an item.
func (b *broadcaster) publisherOf(i int) uint32 {
	text := b.item(i)
	var m scan.Mark
	if !scan.ParseMark([]byte(text[strings.IndexByte(text, scan.MarkEdge):]), &m) {
		panic("an item without a mark")
	}
	return m.Pub
}
