package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

// patience is how long a test waits for what has no limit of its own: longer
// than a busy machine needs, so that only a hang uses it up.
const patience = 5 * time.Minute

// fakeServer is as much of a server as the client commands need, so that their
// tests say what the commands do and nothing of the server.
type fakeServer struct {
	*httptest.Server
	maxItem  int // in bytes; 0: no limit
	maxBatch int // in items; 0: no limit
	// before, if set, sees each request first; false: it answered it.
	before func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex // guards what follows
	items    []stream.Item
	batches  []int             // their sizes
	replies  map[string]string // by idempotency key
	requests []*http.Request
	grown    chan struct{} // closed, and made anew, with each commit
}

func newFakeServer(t *testing.T) *fakeServer {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	s := &fakeServer{replies: make(map[string]string), grown: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /feeds/{feed}", s.publish)
	mux.HandleFunc("GET /feeds/{feed}", s.read)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		if s.before == nil || s.before(w, r) {
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	t.Setenv("FEEDD_SERVER", s.URL)
	t.Setenv("FEEDD_KEY", "")
	t.Setenv("FEEDD_DATA", t.TempDir())
	return s
}

func (s *fakeServer) publish(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var drafts []stream.Draft
	var one stream.Draft
	kind := r.Header.Get("Content-Type")
	switch kind {
	case "application/vnd.feedd+ndjson":
		drafts, err = wire.ParseEnvelopes(body, 1<<20)
	case "application/x-ndjson":
		drafts, err = wire.ParseLines(body, 1<<20)
	case "application/json":
		one, err = wire.ParseJSON(body)
		drafts = []stream.Draft{one}
	default:
		one, err = wire.ParseText(body)
		drafts = []stream.Draft{one}
	}
	if err != nil {
		problem(w, 400, err.Error())
		return
	}
	for _, d := range drafts {
		if s.maxItem > 0 && len(d.Data) > s.maxItem {
			problem(w, 413, fmt.Sprintf("an item has more than %d bytes", s.maxItem))
			return
		}
	}
	if s.maxBatch > 0 && len(drafts) > s.maxBatch {
		problem(w, 413, "too many items in the batch")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	reply, again := s.replies[key]
	if !again {
		first := len(s.items) + 1
		for _, d := range drafts {
			it := stream.Item{ID: stream.ID(len(s.items) + 1), Feed: r.PathValue("feed"), Event: d.Event, JSON: d.JSON, Data: d.Data, Time: time.Unix(1, 0)}
			if it.Event == "" {
				it.Event = r.URL.Query().Get("event")
			}
			s.items = append(s.items, it)
		}
		reply = fmt.Sprintf(`{"feed":"x","count":%d,"first":"%d","last":"%d"}`, len(drafts), first, len(s.items))
		if !strings.Contains(kind, "ndjson") {
			reply = fmt.Sprintf(`{"id":"%d","feed":"x","time":"1970-01-01T00:00:01Z"}`, first)
		}
		s.batches = append(s.batches, len(drafts))
		s.replies[key] = reply
		close(s.grown)
		s.grown = make(chan struct{})
	}
	w.WriteHeader(http.StatusCreated)
	io.WriteString(w, reply)
}

// read sends every item of whatever feed above the Last-Event-ID, and goes on.
func (s *fakeServer) read(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	w.Header().Set("Content-Type", "text/event-stream")
	w.Write(wire.AppendSSEOpening(nil, stream.ID(after), time.Second))
	for {
		s.mu.Lock()
		items, grown := s.items[min(after, len(s.items)):], s.grown
		s.mu.Unlock()
		for i := range items {
			w.Write(wire.AppendSSEEnvelope(nil, &items[i]))
		}
		after += len(items)
		w.(http.Flusher).Flush()
		select {
		case <-grown:
		case <-r.Context().Done():
			return
		}
	}
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	kind := "/problems/x"
	if status == http.StatusBadRequest {
		kind = "bad-json"
	}
	fmt.Fprintf(w, `{"type":"`+kind+`","title":%q,"detail":%q}`, http.StatusText(status), detail)
}

// add commits an item without a request.
func (s *fakeServer) add(it stream.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it.ID, it.Time = stream.ID(len(s.items)+1), time.Unix(1, 0)
	s.items = append(s.items, it)
	close(s.grown)
	s.grown = make(chan struct{})
}

// data is the data of all items, each on a line, JSON marked.
func (s *fakeServer) data() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, it := range s.items {
		if it.JSON {
			b.WriteString("json ")
		}
		fmt.Fprintf(&b, "%s\n", it.Data)
	}
	return b.String()
}

// wait waits until the server has n items.
func (s *fakeServer) wait(t *testing.T, n int) {
	t.Helper()
	for {
		s.mu.Lock()
		have, grown := len(s.items), s.grown
		s.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-grown:
		case <-time.After(patience):
			t.Fatalf("the server has %d items, not %d", have, n)
		}
	}
}

// last is the newest request.
func (s *fakeServer) last() *http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[len(s.requests)-1]
}

// execute runs a command to its end.
func execute(ctx context.Context, cmd *cobra.Command, stdin io.Reader, args ...string) (stdout, stderr string, err error) {
	var out, notes bytes.Buffer
	err = executeTo(ctx, cmd, stdin, &out, &notes, args...)
	return out.String(), notes.String(), err
}

func executeTo(ctx context.Context, cmd *cobra.Command, stdin io.Reader, stdout, stderr io.Writer, args ...string) error {
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	cmd.SetArgs(append([]string{}, args...)) // nil would be those of the test
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	return cmd.ExecuteContext(ctx)
}
