package stream_test

import (
	"strings"
	"testing"
)

// BenchmarkComeAndGo is a subscriber of many long patterns, beside 300 such.
func BenchmarkComeAndGo(b *testing.B) {
	text := func(no int) string {
		list := make([]string, 256)
		for i := range list {
			tokens := make([]byte, 0, 128)
			for j, x := 0, uint32(no*256+i); j < 61; j, x = j+1, x*1664525+1013904223 {
				tokens = append(tokens, '.', 'a'+byte(x>>24)%26)
			}
			list[i] = "*" + string(tokens)
		}
		return strings.Join(list, ",")
	}
	hub, end := newHub()
	defer end()
	for i := range 300 {
		hub.Wait(sel(b, text(i)))
	}
	s := sel(b, text(1000))
	for b.Loop() {
		hub.ComeAndGo(s)
	}
}
