package api_test

import (
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/publish"
)

// What is no WebSocket, or not ours, is told so by a code, which arrives though
// the client is still sending; nothing of it is stored.
func TestBadInput_FramesAndTheirCodes(t *testing.T) {
	t.Parallel()
	const item = `{"data":1}`
	s := start(t, deployment{memory: true, options: api.Options{Publish: publish.Limits{MaxItemBytes: 1000}}})
	unmasked := append([]byte{fin | text, byte(len(item))}, item...)
	large := strings.Repeat("x", 8<<20)
	parts := [][]byte{rawFrame(text, `{"data":"`)}
	for range 2000 {
		parts = append(parts, rawFrame(cont, "xxx"), rawFrame(cont, ""))
	}
	for _, c := range []struct {
		name   string
		code   uint16
		frames [][]byte
	}{
		{"a reserved bit", 1002, [][]byte{rawFrame(fin|rsv2|text, item)}},
		{"compressed, which was not agreed", 1002, [][]byte{rawFrame(fin|rsv1|text, item)}},
		{"a reserved opcode", 1002, [][]byte{rawFrame(fin|3, item)}},
		{"a reserved control opcode", 1002, [][]byte{rawFrame(fin|0xb, "")}},
		{"without a mask", 1002, [][]byte{unmasked}},
		{"a negative length", 1002, [][]byte{frameHead(fin|text, 1<<63)}},
		{"a large control frame", 1002, [][]byte{rawFrame(fin|pings, strings.Repeat("x", 126))}},
		{"a ping in parts", 1002, [][]byte{rawFrame(pings, "x")}},
		{"a continuation of nothing", 1002, [][]byte{rawFrame(fin|cont, item)}},
		{"a message within a message", 1002, [][]byte{rawFrame(text, item[:4]), rawFrame(fin|text, item)}},
		{"half a closing", 1002, [][]byte{rawFrame(fin|bye, "x")}},
		{"a closing with a code that none may send", 1002, [][]byte{closeFrame(1006)}},
		{"binary", 1003, [][]byte{rawFrame(fin|bin, item)}},
		{"binary in parts", 1003, [][]byte{rawFrame(bin, item[:4]), rawFrame(fin|cont, item[4:])}},
		{"not UTF-8", 1007, [][]byte{rawFrame(fin|text, "{\"data\":\"\xff\"}")}},
		{"half a character", 1007, [][]byte{rawFrame(text, "\"\xe2\x82"), rawFrame(fin|cont, "\"")}},
		{"too large, all of it sent", 1009, [][]byte{rawFrame(fin|text, large)}},
		{"a length of 2^62", 1009, [][]byte{frameHead(fin|text, 1<<62), []byte(large)}},
		{"thousands of parts", 1009, parts},
		{"it goes", 1000, [][]byte{closeFrame(1000)}},
		{"it goes without a code", 1005, [][]byte{rawFrame(fin|bye, "")}},
		{"it goes with a code of its own", 4321, [][]byte{closeFrame(4321)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ws := s.openRaw("f", 0, withKey)
			go ws.say(c.frames...)
			if got, code := ws.texts(); code != c.code || len(got) > 1 { // the opening, where it was quicker
				t.Errorf("the code is %d, want %d, after %q", code, c.code, got)
			}
			ws.conn.Close()
		})
	}
	t.Cleanup(func() {
		eventually(t, "they have left", func() bool { return s.subscribers() == 0 })
		s.mustStore(0)
	})
}

// What a client is still sending when it is told of its fault is taken for a
// while: a reset might take the code from it.
func TestBadInput_WhoIsStillSendingIsNotReset(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, options: api.Options{Timeouts: api.Timeouts{Farewell: time.Hour}}})
	ws := s.openRaw("f", 0, withKey)
	ws.say(frameHead(fin|text, 1<<63))
	if _, err := ws.conn.Write(make([]byte, 32<<20)); err != nil {
		t.Fatalf("it cannot go on: %v", err)
	}
	if _, code := ws.texts(); code != 1002 {
		t.Errorf("the code is %d, want 1002", code)
	}
}
