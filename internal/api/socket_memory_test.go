package api_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
)

// P6: those who may not publish cannot fill the memory with messages that they
// do not finish; those who have a key are read nevertheless.
func TestP6_UnfinishedFramesOfStrangers(t *testing.T) {
	const n, size = 100, 1 << 20
	s := start(t, deployment{memory: true, options: api.Options{
		MaxSubscribers: n + 10, MaxItemBytes: size,
		Heartbeat: time.Hour, // the answer to a ping would end up in the message
	}})
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	part := append(frameHead(fin|text, size), strings.Repeat("x", size-1)...)
	turned := make(chan uint16, n)
	var all []*rawSocket
	for range n {
		ws := s.openRaw("f", 0, "")
		all = append(all, ws)
		go func() {
			go ws.say(part)
			_, code := ws.texts()
			turned <- code
			ws.conn.Close()
		}()
	}
	for range n - 64 { // of 64 MiB no more than 64 can have one
		if code := <-turned; code != 1013 {
			t.Fatalf("one is told %d, want 1013", code)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 160<<20 {
		t.Errorf("%d MiB are held", grown>>20)
	}
	small := s.openRaw("f", 0, "")
	small.say(rawFrame(fin|text, `{"ref":"a","data":1}`), closeFrame(1000))
	if got, code := small.texts(); code != 1000 || !strings.Contains(strings.Join(got, ""), `"status":401`) {
		t.Errorf("a short message of a stranger is answered %q, %d", got, code)
	}
	known := s.openRaw("f", 0, withKey)
	known.say(rawFrame(fin|text, `{"ref":"a","data":"`+strings.Repeat("x", size/2)+`"}`), closeFrame(1000))
	if got, code := known.texts(); code != 1000 || !strings.Contains(strings.Join(got, ""), `{"ref":"a","id":`) {
		t.Errorf("who has the key is told %d", code)
	}
	for _, ws := range all {
		ws.conn.Close()
	}
	eventually(t, "they have left", func() bool { return s.api.Subscribers() == 0 })
	last := s.openRaw("f", 0, "")
	last.say(rawFrame(fin|text, `{"ref":"a","data":"`+strings.Repeat("x", size/2)+`"}`), closeFrame(1000))
	if got, code := last.texts(); code != 1000 || !strings.Contains(strings.Join(got, ""), `"status":401`) {
		t.Errorf("the memory is not given back: %d", code)
	}
}
