package publish_test

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
	"feedd/internal/server/servertest"
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

// lines returns a batch of n items with size bytes of data each.
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
			s := servertest.Start(t, servertest.Deployment{
				Memory: c.memory, Options: api.Options{Publish: publish.Limits{MaxBodiesBytes: room}},
				Wrap: func(e stream.Engine) stream.Engine { appends.Engine = e; return appends },
			})
			before := heap()
			_, release := s.HoldCommit(t)
			answers := make(chan servertest.Answer, publishers)
			for range publishers {
				r := s.Request(context.Background(), "POST", "/feeds/f", strings.NewReader(c.body), "Content-Type: "+servertest.LinesType)
				go func() { answers <- s.Send(r) }()
			}
			refused := 0
			servertest.Eventually(t, "each waits for its commit or is refused", func() bool {
				if used := s.Bodies(); used > room {
					t.Fatalf("%d bytes are in use, of %d", used, room)
				}
				for len(answers) > 0 {
					a := <-answers
					a.MustProblem(t, http.StatusServiceUnavailable, "too-many-bodies")
					if !strings.Contains(a.Body, `"retry_after":`+a.Header.Get("Retry-After")) {
						t.Errorf("the answer is %s, with Retry-After %s", a.Body, a.Header.Get("Retry-After"))
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
			if n := s.Metric("feedd_bodies_bytes"); int64(n) <= 0 || int64(n) > room {
				t.Errorf("the metric says %v", n)
			}
			release()
			for range publishers - refused {
				(<-answers).MustStatus(t, http.StatusCreated)
			}
			if n := s.Metric(`feedd_limit_hits_total{limit="max_bodies_bytes"}`); int(n) != refused {
				t.Errorf("%v of %d are counted", n, refused)
			}
			servertest.Eventually(t, "the memory is given back", func() bool { return s.Bodies() == 0 })
			s.Do("POST", "/feeds/f", c.body, "Content-Type: "+servertest.LinesType).MustStatus(t, http.StatusCreated)
		})
	}
}

// hasty is how long the rest of a refused body may take in tests that never send
// it.
const hasty = 200 * time.Millisecond

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
	s := servertest.Start(t, servertest.Deployment{Options: api.Options{Publish: publish.Limits{MaxBodiesBytes: 16 << 20}}, Wrap: func(e stream.Engine) stream.Engine { return impatient{e} }})
	_, release := s.HoldCommit(t)
	large, accepted := strings.Repeat("x", 1<<20), 0
	for {
		a := s.Do("POST", "/feeds/f", large, "Content-Type: text/plain")
		if a.Status == http.StatusServiceUnavailable && strings.Contains(a.Body, "too-many-bodies") {
			break
		}
		a.MustProblem(t, http.StatusServiceUnavailable, "outcome-unknown")
		if accepted++; accepted > 16 {
			t.Fatal("the queue takes what it likes")
		}
	}
	if held := s.Bodies(); held < int64(accepted)<<20 {
		t.Errorf("%d batches of a MiB are in the queue, and %d bytes count", accepted, held)
	}
	release()
	servertest.Eventually(t, "the memory is given back", func() bool { return s.Bodies() == 0 })
}

// P6, P8: strangers who send their bodies but for the last byte take no more
// than their part: who has a key publishes, and so does who sends a whole small
// item without one.
func TestP6_BodiesHeldBackByStrangers(t *testing.T) {
	t.Parallel()
	const room, size, n = 16 << 20, 64 << 10, 100
	s := servertest.Start(t, servertest.Deployment{
		Memory: true, Publishers: func(feed string) bool { return feed == "open" },
		Options: api.Options{Publish: publish.Limits{MaxBodiesBytes: room, MaxAnonymousItemBytes: size}},
	})
	var held []func()
	for range n {
		c := s.Dial(0)
		fmt.Fprintf(c, "POST /feeds/open HTTP/1.1\r\nHost: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", s.Addr, size, strings.Repeat("x", size-1))
		held = append(held, func() { c.Close() })
	}
	servertest.Eventually(t, "some are refused", func() bool { return s.Metric(`feedd_limit_hits_total{limit="max_bodies_bytes"}`) > n/2 })
	if used := s.Bodies(); used > room/8 {
		t.Errorf("strangers have %d bytes, of %d", used, room)
	}
	s.Do("POST", "/feeds/open", strings.Repeat("x", 1<<20), "Content-Type: text/plain").MustStatus(t, http.StatusCreated)
	s.Do("POST", "/feeds/open", "x", "Authorization:").MustStatus(t, http.StatusCreated)
	ws := s.OpenRaw("open", 0, "")
	ws.Say(servertest.RawFrame(servertest.Fin|servertest.Text, `{"ref":"a","data":"x"}`), servertest.CloseFrame(1000))
	if said, code := ws.Texts(); code != 1000 || !strings.Contains(strings.Join(said, ""), `{"ref":"a","id":`) {
		t.Errorf("a stranger's message is answered %q, %d", said, code)
	}
	// It is refused before any of it is read, and without memory.
	s.Do("POST", "/feeds/open", strings.Repeat("x", size), "Authorization:", "Content-Type: text/plain").
		MustProblem(t, http.StatusServiceUnavailable, "too-many-bodies")
	for _, end := range held {
		end()
	}
	servertest.Eventually(t, "the memory is given back", func() bool { return s.Bodies() == 0 })
}

// P6, P8: nor do they when their bodies are whole and wait for a slow commit.
func TestP6_BodiesOfStrangersThatWait(t *testing.T) {
	t.Parallel()
	const room, size, n = 16 << 20, 60 << 10, 100
	appends := new(counted)
	s := servertest.Start(t, servertest.Deployment{
		Publishers: func(feed string) bool { return feed == "open" },
		Options: api.Options{
			Publish:  publish.Limits{MaxBodiesBytes: room, MaxAnonymousItemBytes: size},
			Timeouts: api.Timeouts{RefusedBody: hasty}, // the rest never comes
		},
		Wrap: func(e stream.Engine) stream.Engine { appends.Engine = e; return appends },
	})
	_, release := s.HoldCommit(t)
	answers := make(chan servertest.Answer, n)
	publish := func(headers ...string) {
		r := s.Request(context.Background(), "POST", "/feeds/open", strings.NewReader(strings.Repeat("x", size)), append(headers, "Content-Type: text/plain")...)
		go func() { answers <- s.Send(r) }()
	}
	refused, waiting := 0, 0
	for range n {
		publish("Authorization:")
	}
	servertest.Eventually(t, "each waits or is refused", func() bool {
		for len(answers) > 0 {
			(<-answers).MustProblem(t, http.StatusServiceUnavailable, "too-many-bodies")
			refused++
		}
		waiting = int(appends.n.Load())
		return waiting+refused == n
	})
	if used := s.Bodies(); used > room/4 || refused == 0 {
		t.Errorf("strangers have %d bytes, of %d, and %d are refused", used, room, refused)
	}
	publish() // with the key
	servertest.Eventually(t, "who has a key waits for its commit", func() bool { return int(appends.n.Load()) == waiting+1 })
	release()
	for range waiting + 1 {
		(<-answers).MustStatus(t, http.StatusCreated)
	}
}

// Who has a key and sends a message for which there is no memory is told so in
// its turn, and keeps its connection.
func TestP6_FrameWithoutMemory(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Publish: publish.Limits{MaxBodiesBytes: 16 << 20}}})
	_, release := s.HoldCommit(t)
	var publishing sync.WaitGroup
	for range 10 {
		publishing.Go(func() { s.Do("POST", "/feeds/f", strings.Repeat("x", size), "Content-Type: text/plain") })
	}
	servertest.Eventually(t, "the memory is in use", func() bool { return s.Bodies() > 14<<20 })
	ws := s.OpenRaw("other", 0, servertest.WithKey)
	ws.Say(servertest.RawFrame(servertest.Fin|servertest.Text, `{"ref":"large","data":"`+strings.Repeat("x", size)+`"}`))
	for {
		_, said, err := ws.Read()
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
	ws.Say(servertest.RawFrame(servertest.Fin|servertest.Text, `{"ref":"small","data":"x"}`), servertest.CloseFrame(1000))
	if said, code := ws.Texts(); code != 1000 || !strings.Contains(strings.Join(said, ""), `{"ref":"small","id":`) {
		t.Errorf("then it is told %q, %d", said, code)
	}
}

// A body may come slowly, but not stand still.
func TestP6_BodyThatStandsStill(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Timeouts: api.Timeouts{Body: 50 * time.Millisecond, RefusedBody: hasty}}})
	c := s.Dial(0)
	fmt.Fprintf(c, "POST /feeds/f HTTP/1.1\r\nHost: %s\r\n%sContent-Length: 10\r\n\r\nxxx", s.Addr, servertest.WithKey)
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("the answer is %v %+v", err, resp)
	}
	ws := s.OpenRaw("f", 0, servertest.WithKey)
	ws.Say(servertest.FrameHead(servertest.Fin|servertest.Text, 100))
	if _, code := ws.Texts(); code != 0 {
		t.Errorf("a message that stands still is closed with %d", code)
	}
	if n := s.Metric(`feedd_limit_hits_total{limit="body_timeout"}`); n != 2 {
		t.Errorf("%v are counted", n)
	}
}

// P6: an item keeps nothing of the request that brought it: neither does the
// name of its feed, nor that of its event.
func TestP6_ItemsKeepNothingOfTheirRequests(t *testing.T) {
	const n, pad = 1000, 9000
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	padding := strings.Repeat("&", pad)
	s.PutQuery("warm", "", "x")
	before := heap()
	for i := range n {
		s.PutQuery(fmt.Sprint("f", i), "event=e"+padding, "x")
	}
	s.Client.CloseIdleConnections()
	if kept := heap() - before; kept > n*pad/2 {
		t.Errorf("%d items of a byte keep %d bytes", n, kept)
	}
	s.MustStore(n + 1)
}
