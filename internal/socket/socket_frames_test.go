package socket_test

import (
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/publish"
	"feedd/internal/server/servertest"
)

// What is no WebSocket, or not ours, is told so by a code, which arrives though
// the client is still sending; nothing of it is stored.
func TestBadInput_FramesAndTheirCodes(t *testing.T) {
	t.Parallel()
	const item = `{"data":1}`
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Publish: publish.Limits{MaxItemBytes: 1000}}})
	unmasked := append([]byte{servertest.Fin | servertest.Text, byte(len(item))}, item...)
	large := strings.Repeat("x", 8<<20)
	parts := [][]byte{servertest.RawFrame(servertest.Text, `{"data":"`)}
	for range 2000 {
		parts = append(parts, servertest.RawFrame(servertest.Cont, "xxx"), servertest.RawFrame(servertest.Cont, ""))
	}
	for _, c := range []struct {
		name   string
		code   uint16
		frames [][]byte
	}{
		{"a reserved bit", 1002, [][]byte{servertest.RawFrame(servertest.Fin|servertest.Rsv2|servertest.Text, item)}},
		{"compressed, which was not agreed", 1002, [][]byte{servertest.RawFrame(servertest.Fin|servertest.Rsv1|servertest.Text, item)}},
		{"a reserved opcode", 1002, [][]byte{servertest.RawFrame(servertest.Fin|3, item)}},
		{"a reserved control opcode", 1002, [][]byte{servertest.RawFrame(servertest.Fin|0xb, "")}},
		{"without a mask", 1002, [][]byte{unmasked}},
		{"a negative length", 1002, [][]byte{servertest.FrameHead(servertest.Fin|servertest.Text, 1<<63)}},
		{"a large control frame", 1002, [][]byte{servertest.RawFrame(servertest.Fin|servertest.Pings, strings.Repeat("x", 126))}},
		{"a ping in parts", 1002, [][]byte{servertest.RawFrame(servertest.Pings, "x")}},
		{"a continuation of nothing", 1002, [][]byte{servertest.RawFrame(servertest.Fin|servertest.Cont, item)}},
		{"a message within a message", 1002, [][]byte{servertest.RawFrame(servertest.Text, item[:4]), servertest.RawFrame(servertest.Fin|servertest.Text, item)}},
		{"half a closing", 1002, [][]byte{servertest.RawFrame(servertest.Fin|servertest.Bye, "x")}},
		{"a closing with a code that none may send", 1002, [][]byte{servertest.CloseFrame(1006)}},
		{"binary", 1003, [][]byte{servertest.RawFrame(servertest.Fin|servertest.Bin, item)}},
		{"binary in parts", 1003, [][]byte{servertest.RawFrame(servertest.Bin, item[:4]), servertest.RawFrame(servertest.Fin|servertest.Cont, item[4:])}},
		{"not UTF-8", 1007, [][]byte{servertest.RawFrame(servertest.Fin|servertest.Text, "{\"data\":\"\xff\"}")}},
		{"half a character", 1007, [][]byte{servertest.RawFrame(servertest.Text, "\"\xe2\x82"), servertest.RawFrame(servertest.Fin|servertest.Cont, "\"")}},
		{"too large, all of it sent", 1009, [][]byte{servertest.RawFrame(servertest.Fin|servertest.Text, large)}},
		{"a length of 2^62", 1009, [][]byte{servertest.FrameHead(servertest.Fin|servertest.Text, 1<<62), []byte(large)}},
		{"thousands of parts", 1009, parts},
		{"it goes", 1000, [][]byte{servertest.CloseFrame(1000)}},
		{"it goes without a code", 1005, [][]byte{servertest.RawFrame(servertest.Fin|servertest.Bye, "")}},
		{"it goes with a code of its own", 4321, [][]byte{servertest.CloseFrame(4321)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ws := s.OpenRaw("f", 0, servertest.WithKey)
			go ws.Say(c.frames...)
			if got, code := ws.Texts(); code != c.code || len(got) > 1 { // the opening, where it was quicker
				t.Errorf("the code is %d, want %d, after %q", code, c.code, got)
			}
			ws.Conn.Close()
		})
	}
	t.Cleanup(func() {
		servertest.Eventually(t, "they have left", func() bool { return s.Subscribers() == 0 })
		s.MustStore(0)
	})
}

// What a client is still sending when it is told of its fault is taken for a
// while: a reset might take the code from it.
func TestBadInput_WhoIsStillSendingIsNotReset(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Timeouts: api.Timeouts{Farewell: time.Hour}}})
	ws := s.OpenRaw("f", 0, servertest.WithKey)
	ws.Say(servertest.FrameHead(servertest.Fin|servertest.Text, 1<<63))
	if _, err := ws.Conn.Write(make([]byte, 32<<20)); err != nil {
		t.Fatalf("it cannot go on: %v", err)
	}
	if _, code := ws.Texts(); code != 1002 {
		t.Errorf("the code is %d, want 1002", code)
	}
}
