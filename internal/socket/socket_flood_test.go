package socket_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
)

// P5: the answer to a ping stands behind what a client publishes, and that may
// wait for a slow commit: no reason to take it for gone.
func TestP5_PublisherThatWaitsForItsCommitIsNotCut(t *testing.T) {
	t.Parallel()
	const stall = time.Second
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Timeouts: api.Timeouts{Heartbeat: stall / 4, Stall: stall}}})
	s.Hooks.Set(func() error { time.Sleep(stall / 20); return nil }, nil)
	ws := s.OpenRaw("f", 0, servertest.WithKey)
	const n = 60
	var frames []byte // at once: no silence is the client's
	for i := range n {
		frames = append(frames, servertest.RawFrame(servertest.Fin|servertest.Text, fmt.Sprintf(`{"ref":"%d","data":1,"key":"%s%d"}`, i, strings.Repeat("k", 100), i))...)
	}
	ws.Say(frames, servertest.CloseFrame(1000))
	messages, code := ws.Texts()
	answers := 0
	for _, m := range messages {
		if strings.HasPrefix(m, fmt.Sprintf(`{"ref":"%d","id":`, answers)) {
			answers++
		}
	}
	if code != 1000 || answers != n {
		t.Errorf("%d of %d frames were answered, then came %d", answers, n, code)
	}
	s.MustStore(n)
}

// One commit that takes longer than stall_timeout, alone.
func TestP5_OneSlowCommitIsNoSilence(t *testing.T) {
	t.Parallel()
	const stall = time.Second
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Timeouts: api.Timeouts{Heartbeat: stall / 3, Stall: stall}}})
	held, release := s.HoldCommit(t)
	ws := s.OpenRaw("f", 0, servertest.WithKey)
	ws.Say(servertest.RawFrame(servertest.Fin|servertest.Text, `{"ref":"a","data":1}`))
	<-held
	for asked := 0; ; {
		op, payload, err := ws.Read()
		if err != nil || op == servertest.Bye {
			t.Fatalf("%x %q %v", op, payload, err)
		}
		if op == servertest.Pings {
			ws.Say(servertest.RawFrame(servertest.Fin|servertest.Pong, payload))
			if asked++; asked == 3 { // each but the first after it waited for an answer for stall_timeout
				release()
			}
		}
		if strings.HasPrefix(payload, `{"ref":"a","id":`) {
			if asked < 3 {
				t.Errorf("the commit was over after %d pings", asked)
			}
			return
		}
	}
}

// P5: nor can the answer to a ping stand within a frame that comes slowly.
func TestP5_SlowSenderOfALargeFrame(t *testing.T) {
	t.Parallel()
	const stall = 6 * time.Second // of a machine that is busy
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Timeouts: api.Timeouts{Heartbeat: stall / 12, Stall: stall}}})
	ws := s.OpenRaw("f", 0, servertest.WithKey)
	item := `{"ref":"a","data":"` + strings.Repeat("x", 20_000) + `"}`
	frame := servertest.RawFrame(servertest.Fin|servertest.Text, item)
	go func() {
		for begun := time.Now(); len(frame) > 0; {
			n := min(len(frame), 300)
			if time.Since(begun) > stall*5/4 { // it was long enough
				n = len(frame)
			}
			ws.Say(frame[:n])
			frame = frame[n:]
			time.Sleep(stall / 40)
		}
		ws.Say(servertest.CloseFrame(1000))
	}()
	said := ""
	for {
		op, payload, err := ws.Read()
		if err != nil || op == servertest.Bye {
			break
		}
		said += payload
	}
	if !strings.Contains(said, `{"ref":"a","id":`) {
		t.Errorf("it is told %.300q", said)
	}
}

// P5: a client that answers no ping is cut, and told why; one that sends
// something is there.
func TestP5_ClientThatAnswersNoPing(t *testing.T) {
	t.Parallel()
	const stall = 150 * time.Millisecond
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Timeouts: api.Timeouts{Heartbeat: stall / 3, Stall: stall}}})
	ws := s.OpenRaw("f", 0, "")
	for {
		op, payload, err := ws.Read()
		if err != nil {
			t.Fatal(err)
		}
		if op == servertest.Bye {
			if !strings.HasPrefix(payload, "\x03\xf0") { // 1008
				t.Errorf("the closing is %q", payload)
			}
			break
		}
	}
	ws.Conn.Close()
	servertest.Eventually(t, "it counts as cut", func() bool { return s.Metric("feedd_subscribers_cut_total") == 1 })
}

// P5, P6: a client that publishes and never reads its answers is read no
// further, and cut; what it sent is not held in memory meanwhile.
func TestP6_PublisherThatNeverReadsItsAnswers(t *testing.T) {
	const stall = time.Second
	s := servertest.Start(t, servertest.Deployment{Memory: true, SendBuffer: 4096, Options: api.Options{Timeouts: api.Timeouts{Stall: stall}}, Store: servertest.Keep(10)})
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ws := s.OpenRaw("quiet", 4096, servertest.WithKey)
	frame := servertest.RawFrame(servertest.Fin|servertest.Text, `{"feed":"f","data":"`+strings.Repeat("x", 10_000)+`","ref":"`+strings.Repeat("r", 200)+`"}`)
	sent := 0
	for sent < 512<<20 {
		n, err := ws.Conn.Write(frame)
		sent += n
		if err != nil {
			break
		}
	}
	servertest.Eventually(t, "it is cut", func() bool { return s.Metric("feedd_subscribers_cut_total") == 1 })
	runtime.GC()
	runtime.ReadMemStats(&after)
	if sent >= 512<<20 {
		t.Error("it may send for ever")
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("%d bytes are held after %d were sent", grown, sent)
	}
}

// P5: who takes a large item slowly makes progress, and gets it.
func TestP5_SlowReaderOfALargeFrame(t *testing.T) {
	t.Parallel()
	const stall = 3 * time.Second // of a machine that is busy
	s := servertest.Start(t, servertest.Deployment{Memory: true, SendBuffer: 16 << 10, Options: api.Options{Timeouts: api.Timeouts{Heartbeat: stall / 4, Stall: stall}}})
	ws := s.OpenRaw("f", 0, "") // with a small window the kernel itself pauses for seconds
	want := strings.Repeat("x", 800_000)
	began := time.Now()
	// Slowly for long enough, and not to the end: the answer to a ping that stands
	// behind what a busy machine reads for longer than the timeout would be missed.
	ws.In.Reset(slowly{ws.Conn, 40 * time.Millisecond, began.Add(stall * 3 / 2)})
	s.Put("f", want)
	for {
		op, payload, err := ws.Read()
		if err != nil || op == servertest.Bye {
			t.Fatalf("after %v: %x %.100q %v", time.Since(began), op, payload, err)
		}
		if op == servertest.Pings {
			ws.Say(servertest.RawFrame(servertest.Fin|servertest.Pong, payload))
		}
		if strings.Contains(payload, want) {
			break
		}
	}
	if took := time.Since(began); took < stall*3/2 {
		t.Errorf("it took %v only: the reader was not slow", took)
	}
}

// slowly reads a little now and then, until some time.
type slowly struct {
	from  interface{ Read([]byte) (int, error) }
	pause time.Duration
	until time.Time
}

func (r slowly) Read(b []byte) (int, error) {
	if time.Now().Before(r.until) {
		time.Sleep(r.pause)
	}
	return r.from.Read(b[:min(len(b), 4096)])
}
