package api_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
)

// hasty leaves clients a moment to answer the closing of a WebSocket.
const hasty = 200 * time.Millisecond

// P5, P9: who is told of the closing and begins a frame that never ends holds
// neither a goroutine nor the stop of the server.
func TestP5_NobodyHoldsUpTheClosing(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, options: api.Options{Timeouts: api.Timeouts{Farewell: hasty}}})
	for range 20 {
		ws := s.openRaw("f", 0, "")
		ws.say(rawFrame(fin|bin, "x"), frameHead(fin|text, 1<<40), []byte("x"))
	}
	eventually(t, "they are gone", func() bool { return s.subscribers() == 0 })

	// The same with one that the server ends.
	held, release := s.holdCommit(t)
	ws := s.openRaw("f", 0, withKey)
	ws.say(rawFrame(fin|text, `{"data":1}`), frameHead(fin|text, 1<<40), []byte("x"))
	<-held
	s.hub.Drain()
	release()
	patient, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	closed := make(chan struct{})
	go func() { s.api.Close(patient); close(closed) }()
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
	s := start(t, deployment{memory: true, options: api.Options{Timeouts: api.Timeouts{Farewell: time.Hour}}})
	for range 5 {
		ws := s.openRaw("f", 0, "")
		ws.say(rawFrame(fin|bin, "x"), frameHead(fin|text, 1<<40), []byte("x"))
	}
	eventually(t, "they are there", func() bool { return s.subscribers() == 5 })
	now, cancel := context.WithCancel(context.Background())
	cancel()
	closed := make(chan struct{})
	go func() { s.api.Close(now); close(closed) }()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("the server cannot close")
	}
}

// P2: whoever closes, or ends its sending half, behind its publishes gets all
// the answers first.
func TestP2_AnswersComeBeforeTheClosing(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		const n = 30
		for name, leave := range map[string]func(*rawSocket){
			"closing":   func(ws *rawSocket) { ws.say(closeFrame(1000)) },
			"half-open": func(ws *rawSocket) { ws.conn.CloseWrite() },
		} {
			ws := s.openRaw("f", 0, withKey)
			for i := range n {
				ws.say(rawFrame(fin|text, `{"ref":"`+strconv.Itoa(i)+`","data":1}`))
			}
			leave(ws)
			messages, _ := ws.texts()
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
		s.mustStore(2 * n)
	})
}

// P9: a frame that is being committed when the server goes down is answered,
// and then comes the closing.
func TestP9_FramesInFlightAreAnswered(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		held, release := s.holdCommit(t)
		ws, other := s.openRaw("f", 0, withKey), s.openRaw("f", 0, "")
		ws.say(rawFrame(fin|text, `{"ref":"a","data":1}`))
		<-held
		s.hub.Drain()
		if _, code := other.texts(); code != 1012 { // by now both know of it
			t.Errorf("who waits is told %d", code)
		}
		release()
		messages, code := ws.texts()
		said := strings.Join(messages, "\n")
		answer, end := strings.Index(said, `{"ref":"a","id":`), strings.Index(said, `{"closing":`)
		if code != 1012 || answer < 0 || end < answer {
			t.Errorf("the code is %d, after %s", code, said)
		}
		s.mustStore(1)
	})
}

// A message that its client did not finish is no item, though what came of it
// reads like one.
func TestP2_UnfinishedMessagesAreNotStored(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	const item = `{"data":1}`
	padded := item + strings.Repeat(" ", 512-len(item))
	for _, part := range [][]byte{
		rawFrame(text, item),
		append(rawFrame(text, item), rawFrame(cont, "")...),
		append(frameHead(fin|text, 600), padded...),
	} {
		ws := s.openRaw("f", 0, withKey)
		ws.say(part)
		ws.conn.CloseWrite()
		if got, _ := ws.texts(); len(got) > 1 {
			t.Errorf("it is answered %q", got)
		}
	}
	s.mustStore(0)
}
