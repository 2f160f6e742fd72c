package api_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/publish"
	"feedd/internal/stream"
)

// heap returns how much memory is in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers and pools let go
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// lines returns a batch of n items with so many bytes of data each.
func lines(n, size int) string {
	return strings.Repeat(`"`+strings.Repeat("x", size-2)+"\"\n", n)
}

// P6: what is being published has no more memory than it may, however many
// publish while a commit takes long. Who comes too much is told when to come
// back, and the memory is given back with the answers. Not parallel: it looks at
// the memory of the whole process.
func TestP6_BodiesInFlightAreBounded(t *testing.T) {
	const publishers, room = 40, 16 << 20
	for _, c := range []struct {
		name   string
		memory bool
		body   string
	}{
		{"large items in sqlite", false, lines(10, 200<<10)},
		{"large items in memory", true, lines(10, 200<<10)},
		{"tiny items", true, lines(10_000, 3)}, // which are slow to commit in sqlite
	} {
		t.Run(c.name, func(t *testing.T) {
			appends := new(counted)
			s := start(t, deployment{
				memory: c.memory, options: api.Options{Publish: publish.Limits{MaxBodiesBytes: room}},
				wrap: func(e stream.Engine) stream.Engine { appends.Engine = e; return appends },
			})
			before := heap()
			_, release := s.holdCommit(t)
			answers := make(chan answer, publishers)
			for range publishers {
				r := s.request(context.Background(), "POST", "/feeds/f", strings.NewReader(c.body), "Content-Type: "+linesType)
				go func() { answers <- s.send(r) }()
			}
			refused := 0
			eventually(t, "each waits for its commit or is refused", func() bool {
				if used := s.bodies(); used > room {
					t.Fatalf("%d bytes are in use, of %d", used, room)
				}
				for len(answers) > 0 {
					a := <-answers
					a.mustProblem(t, http.StatusServiceUnavailable, "too-many-bodies")
					if !strings.Contains(a.body, `"retry_after":`+a.header.Get("Retry-After")) {
						t.Errorf("the answer is %s, with Retry-After %s", a.body, a.header.Get("Retry-After"))
					}
					refused++
				}
				return refused+int(appends.n.Load()) == publishers
			})
			if refused == 0 || refused == publishers {
				t.Errorf("%d of %d are refused", refused, publishers)
			}
			// The clients of this test are in the same process.
			clients := int64(publishers) * 256 << 10
			if used := heap() - before; used > room+clients {
				t.Errorf("%d bytes of memory are in use, where %d are allowed", used, room)
			}
			if n := s.metric("feedd_bodies_bytes"); int64(n) <= 0 || int64(n) > room {
				t.Errorf("the metric says %v", n)
			}
			release()
			for range publishers - refused {
				(<-answers).mustStatus(t, http.StatusCreated)
			}
			if n := s.metric(`feedd_limit_hits_total{limit="max_bodies_bytes"}`); int(n) != refused {
				t.Errorf("%v of %d are counted", n, refused)
			}
			eventually(t, "the memory is given back", func() bool { return s.bodies() == 0 })
			s.do("POST", "/feeds/f", c.body, "Content-Type: "+linesType).mustStatus(t, http.StatusCreated)
		})
	}
}

// counted is an engine that counts what is to be committed.
type counted struct {
	stream.Engine
	n atomic.Int64
}

func (e *counted) Append(ctx context.Context, b stream.Batch) (stream.Receipt, error) {
	e.n.Add(1)
	return e.Engine.Append(ctx, b)
}

// impatient is an engine whose callers wait for no commit longer than a moment.
type impatient struct{ stream.Engine }

func (e impatient) Append(ctx context.Context, b stream.Batch) (stream.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	return e.Engine.Append(ctx, b)
}

// P6: whose publisher was told that the outcome is unknown has its memory as
// long as the store has the batch; else the store's queue would have no bound.
func TestP6_BodiesCountUntilTheStoreHasDone(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{options: api.Options{Publish: publish.Limits{MaxBodiesBytes: 16 << 20}}, wrap: func(e stream.Engine) stream.Engine { return impatient{e} }})
	_, release := s.holdCommit(t)
	large, accepted := strings.Repeat("x", 1<<20), 0
	for {
		a := s.do("POST", "/feeds/f", large, "Content-Type: text/plain")
		if a.status == http.StatusServiceUnavailable && strings.Contains(a.body, "too-many-bodies") {
			break
		}
		a.mustProblem(t, http.StatusServiceUnavailable, "outcome-unknown")
		if accepted++; accepted > 16 {
			t.Fatal("the queue takes what it likes")
		}
	}
	if held := s.bodies(); held < int64(accepted)<<20 {
		t.Errorf("%d batches of a MiB are in the queue, and %d bytes count", accepted, held)
	}
	release()
	eventually(t, "the memory is given back", func() bool { return s.bodies() == 0 })
}

// P6, P8: strangers who send their bodies but for the last byte take no more
// than their part: who has a key publishes, and so does who sends a whole small
// item without one.
func TestP6_BodiesHeldBackByStrangers(t *testing.T) {
	t.Parallel()
	const room, size, n = 16 << 20, 64 << 10, 100
	s := start(t, deployment{
		memory: true, publishers: func(feed string) bool { return feed == "open" },
		options: api.Options{Publish: publish.Limits{MaxBodiesBytes: room, MaxAnonymousItemBytes: size}},
	})
	var held []func()
	for range n {
		c := s.dial(0)
		fmt.Fprintf(c, "POST /feeds/open HTTP/1.1\r\nHost: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", s.addr, size, strings.Repeat("x", size-1))
		held = append(held, func() { c.Close() })
	}
	eventually(t, "some are refused", func() bool { return s.metric(`feedd_limit_hits_total{limit="max_bodies_bytes"}`) > n/2 })
	if used := s.bodies(); used > room/8 {
		t.Errorf("strangers have %d bytes, of %d", used, room)
	}
	s.do("POST", "/feeds/open", strings.Repeat("x", 1<<20), "Content-Type: text/plain").mustStatus(t, http.StatusCreated)
	s.do("POST", "/feeds/open", "x", "Authorization:").mustStatus(t, http.StatusCreated)
	ws := s.openRaw("open", 0, "")
	ws.say(rawFrame(fin|text, `{"ref":"a","data":"x"}`), closeFrame(1000))
	if said, code := ws.texts(); code != 1000 || !strings.Contains(strings.Join(said, ""), `{"ref":"a","id":`) {
		t.Errorf("a stranger's message is answered %q, %d", said, code)
	}
	// It is refused before any of it is read, and without memory.
	s.do("POST", "/feeds/open", strings.Repeat("x", size), "Authorization:", "Content-Type: text/plain").
		mustProblem(t, http.StatusServiceUnavailable, "too-many-bodies")
	for _, end := range held {
		end()
	}
	eventually(t, "the memory is given back", func() bool { return s.bodies() == 0 })
}

// P6, P8: nor do they when their bodies are whole and wait for a slow commit.
func TestP6_BodiesOfStrangersThatWait(t *testing.T) {
	t.Parallel()
	const room, size, n = 16 << 20, 60 << 10, 100
	appends := new(counted)
	s := start(t, deployment{
		publishers: func(feed string) bool { return feed == "open" },
		options:    api.Options{Publish: publish.Limits{MaxBodiesBytes: room, MaxAnonymousItemBytes: size}},
		wrap:       func(e stream.Engine) stream.Engine { appends.Engine = e; return appends },
	})
	_, release := s.holdCommit(t)
	answers := make(chan answer, n)
	publish := func(headers ...string) {
		r := s.request(context.Background(), "POST", "/feeds/open", strings.NewReader(strings.Repeat("x", size)), append(headers, "Content-Type: text/plain")...)
		go func() { answers <- s.send(r) }()
	}
	refused, waiting := 0, 0
	for range n {
		publish("Authorization:")
	}
	eventually(t, "each waits or is refused", func() bool {
		for len(answers) > 0 {
			(<-answers).mustProblem(t, http.StatusServiceUnavailable, "too-many-bodies")
			refused++
		}
		waiting = int(appends.n.Load())
		return waiting+refused == n
	})
	if used := s.bodies(); used > room/4 || refused == 0 {
		t.Errorf("strangers have %d bytes, of %d, and %d are refused", used, room, refused)
	}
	publish() // with the key
	eventually(t, "who has a key waits for its commit", func() bool { return int(appends.n.Load()) == waiting+1 })
	release()
	for range waiting + 1 {
		(<-answers).mustStatus(t, http.StatusCreated)
	}
}

// Who has a key and sends a message for which there is no memory is told so in
// its turn, and keeps its connection.
func TestP6_FrameWithoutMemory(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	s := start(t, deployment{memory: true, options: api.Options{Publish: publish.Limits{MaxBodiesBytes: 16 << 20}}})
	_, release := s.holdCommit(t)
	var publishing sync.WaitGroup
	for range 10 {
		publishing.Go(func() { s.do("POST", "/feeds/f", strings.Repeat("x", size), "Content-Type: text/plain") })
	}
	eventually(t, "the memory is in use", func() bool { return s.bodies() > 14<<20 })
	ws := s.openRaw("other", 0, withKey)
	ws.say(rawFrame(fin|text, `{"ref":"large","data":"`+strings.Repeat("x", size)+`"}`))
	for {
		_, said, err := ws.read()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(said, `"error"`) {
			if !strings.HasPrefix(said, `{"error":{"status":503,"type":"too-many-bodies"`) || !strings.Contains(said, `"retry_after":`) {
				t.Errorf("it is told %s", said)
			}
			break
		}
	}
	release()
	publishing.Wait()
	ws.say(rawFrame(fin|text, `{"ref":"small","data":"x"}`), closeFrame(1000))
	if said, code := ws.texts(); code != 1000 || !strings.Contains(strings.Join(said, ""), `{"ref":"small","id":`) {
		t.Errorf("then it is told %q, %d", said, code)
	}
}

// A body may come slowly, but not stand still.
func TestP6_BodyThatStandsStill(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, options: api.Options{Timeouts: api.Timeouts{Body: 50 * time.Millisecond}}})
	c := s.dial(0)
	fmt.Fprintf(c, "POST /feeds/f HTTP/1.1\r\nHost: %s\r\n%sContent-Length: 10\r\n\r\nxxx", s.addr, withKey)
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("the answer is %v %+v", err, resp)
	}
	ws := s.openRaw("f", 0, withKey)
	ws.say(frameHead(fin|text, 100))
	if _, code := ws.texts(); code != 0 {
		t.Errorf("a message that stands still is closed with %d", code)
	}
	if n := s.metric(`feedd_limit_hits_total{limit="body_timeout"}`); n != 2 {
		t.Errorf("%v are counted", n)
	}
}

// What came of a body decides how long the rest may take.
// P6: an item keeps nothing of the request that brought it: neither does the
// name of its feed, nor that of its event.
func TestP6_ItemsKeepNothingOfTheirRequests(t *testing.T) {
	const n, pad = 1000, 9000
	s := start(t, deployment{memory: true})
	padding := strings.Repeat("&", pad)
	s.putQuery("warm", "", "x")
	before := heap()
	for i := range n {
		s.putQuery(fmt.Sprint("f", i), "event=e"+padding, "x")
	}
	s.client.CloseIdleConnections()
	if kept := heap() - before; kept > n*pad/2 {
		t.Errorf("%d items of a byte keep %d bytes", n, kept)
	}
	s.mustStore(n + 1)
}
