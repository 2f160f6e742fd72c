package socket_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
)

// hasty leaves clients a moment to answer the closing of a WebSocket.
const hasty = 200 * time.Millisecond

// P5, P9: a client that is told of the closing, and then begins a frame that
// never ends, holds up neither a goroutine nor the stop of the server.
func TestP5_NobodyHoldsUpTheClosing(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Timeouts: api.Timeouts{Farewell: hasty}}})
	for range 20 {
		ws := s.OpenRaw("f", 0, "")
		ws.Say(servertest.RawFrame(servertest.Fin|servertest.Bin, "x"), servertest.FrameHead(servertest.Fin|servertest.Text, 1<<40), []byte("x"))
	}
	servertest.Eventually(t, "they are gone", func() bool { return s.Subscribers() == 0 })

	// The same with one that the server ends.
	held, release := s.HoldCommit(t)
	ws := s.OpenRaw("f", 0, servertest.WithKey)
	ws.Say(servertest.RawFrame(servertest.Fin|servertest.Text, `{"data":1}`), servertest.FrameHead(servertest.Fin|servertest.Text, 1<<40), []byte("x"))
	<-held
	s.Hub.Drain()
	release()
	patient, cancel := context.WithTimeout(context.Background(), servertest.Patience)
	defer cancel()
	closed := make(chan struct{})
	go func() { s.Api.Close(patient); close(closed) }()
	select {
	case <-closed:
	case <-patient.Done():
		t.Error("the server cannot close")
	}
}

// P9: at the end of shutdown_timeout whatever is left is cut, at once, however
// long it may take to answer its closing.
func TestP9_SocketsAreCutInTheEnd(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Timeouts: api.Timeouts{Farewell: time.Hour}}})
	for range 5 {
		ws := s.OpenRaw("f", 0, "")
		ws.Say(servertest.RawFrame(servertest.Fin|servertest.Bin, "x"), servertest.FrameHead(servertest.Fin|servertest.Text, 1<<40), []byte("x"))
	}
	servertest.Eventually(t, "they are there", func() bool { return s.Subscribers() == 5 })
	now, cancel := context.WithCancel(context.Background())
	cancel()
	closed := make(chan struct{})
	go func() { s.Api.Close(now); close(closed) }()
	select {
	case <-closed:
	case <-time.After(servertest.Patience):
		t.Error("the server cannot close")
	}
}

// P2: a client that closes, or ends its sending half, behind its publishes gets
// all the answers first.
func TestP2_AnswersComeBeforeTheClosing(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		const n = 30
		for name, leave := range map[string]func(*servertest.RawSocket){
			"closing":   func(ws *servertest.RawSocket) { ws.Say(servertest.CloseFrame(1000)) },
			"half-open": func(ws *servertest.RawSocket) { ws.Conn.CloseWrite() },
		} {
			ws := s.OpenRaw("f", 0, servertest.WithKey)
			for i := range n {
				ws.Say(servertest.RawFrame(servertest.Fin|servertest.Text, `{"ref":"`+strconv.Itoa(i)+`","data":1}`))
			}
			leave(ws)
			messages, _ := ws.Texts()
			next := 0
			for _, m := range messages {
				if strings.HasPrefix(m, `{"ref":"`+strconv.Itoa(next)+`","id":`) {
					next++
				}
			}
			if next != n {
				t.Errorf("%s: %d of %d answers came in order: %q", name, next, n, messages)
			}
		}
		s.MustStore(2 * n)
	})
}

// P9: a frame that is being committed when the server goes down is answered,
// and then comes the closing.
func TestP9_FramesInFlightAreAnswered(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		held, release := s.HoldCommit(t)
		ws, other := s.OpenRaw("f", 0, servertest.WithKey), s.OpenRaw("f", 0, "")
		ws.Say(servertest.RawFrame(servertest.Fin|servertest.Text, `{"ref":"a","data":1}`))
		<-held
		s.Hub.Drain()
		if _, code := other.Texts(); code != 1012 { // by now both know of it
			t.Errorf("who waits is told %d", code)
		}
		release()
		messages, code := ws.Texts()
		said := strings.Join(messages, "\n")
		answer, end := strings.Index(said, `{"ref":"a","id":`), strings.Index(said, `{"closing":`)
		if code != 1012 || answer < 0 || end < answer {
			t.Errorf("the code is %d, after %s", code, said)
		}
		s.MustStore(1)
	})
}

// A message that its client did not finish is no item, though what came of it
// reads like one.
func TestP2_UnfinishedMessagesAreNotStored(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	const item = `{"data":1}`
	padded := item + strings.Repeat(" ", 512-len(item))
	for _, part := range [][]byte{
		servertest.RawFrame(servertest.Text, item),
		append(servertest.RawFrame(servertest.Text, item), servertest.RawFrame(servertest.Cont, "")...),
		append(servertest.FrameHead(servertest.Fin|servertest.Text, 600), padded...),
	} {
		ws := s.OpenRaw("f", 0, servertest.WithKey)
		ws.Say(part)
		ws.Conn.CloseWrite()
		if got, _ := ws.Texts(); len(got) > 1 {
			t.Errorf("it is answered %q", got)
		}
	}
	s.MustStore(0)
}
