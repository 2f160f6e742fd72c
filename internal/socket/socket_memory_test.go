package socket_test

import (
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/publish"
	"feedd/internal/server/servertest"
)

// P6: clients that may not publish cannot fill the memory with messages that
// they do not finish; clients with a key are read nevertheless.
func TestP6_UnfinishedFramesOfStrangers(t *testing.T) {
	t.Parallel()
	const n, room, size = 12, 4, 1 << 20
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{
		// An eighth of MaxBodiesBytes is for the unfinished messages of strangers. A
		// buffer may be larger than what is in it by some overhead.
		Publish:  publish.Limits{MaxItemBytes: size, MaxBodiesBytes: 8 * room * (size + 8<<10)},
		Timeouts: api.Timeouts{Heartbeat: time.Hour}, // the answer to a ping would end up in the message
	}})
	part := append(servertest.FrameHead(servertest.Fin|servertest.Text, size), strings.Repeat("x", size-1)...)
	turned := make(chan uint16, n)
	var all []*servertest.RawSocket
	for range n {
		ws := s.OpenRaw("f", 0, "")
		all = append(all, ws)
		go func() {
			go ws.Say(part)
			_, code := ws.Texts()
			turned <- code
			ws.Conn.Close()
		}()
	}
	for range n - room {
		if code := <-turned; code != 1013 {
			t.Fatalf("one is told %d, want 1013", code)
		}
	}
	ask := func(headers string, size int) (said string, code uint16) {
		ws := s.OpenRaw("f", 0, headers)
		ws.Say(servertest.RawFrame(servertest.Fin|servertest.Text, `{"ref":"a","data":"`+strings.Repeat("x", size)+`"}`), servertest.CloseFrame(1000))
		got, code := ws.Texts()
		return strings.Join(got, ""), code
	}
	if said, code := ask("", 10); code != 1000 || !strings.Contains(said, `"status":401`) {
		t.Errorf("a short message of a stranger is answered %q, %d", said, code)
	}
	if said, code := ask(servertest.WithKey, size/2); code != 1000 || !strings.Contains(said, `{"ref":"a","id":`) {
		t.Errorf("who has the key is told %d", code)
	}
	for _, ws := range all {
		ws.Conn.Close()
	}
	servertest.Eventually(t, "they have left", func() bool { return s.Subscribers() == 0 })
	for range 2 * room { // what is read whole is given back, too
		if said, code := ask("", size/2); code != 1000 || !strings.Contains(said, `"status":401`) {
			t.Fatalf("the memory is not given back: %d", code)
		}
	}
}
