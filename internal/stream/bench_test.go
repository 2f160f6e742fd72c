package stream_test

import (
	"fmt"
	"strings"
	"testing"

	"feedd/internal/stream"
)

// BenchmarkComeAndGo is a subscriber of many long patterns, beside 300 such.
func BenchmarkComeAndGo(b *testing.B) {
	selector := func(no int) string {
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
		hub.Watch(sel(b, selector(i)))
	}
	b.Run("parse", func(b *testing.B) {
		text := selector(1000)
		for b.Loop() {
			sel(b, text)
		}
	})
	b.Run("come and go", func(b *testing.B) {
		s := sel(b, selector(1000))
		for b.Loop() {
			hub.ComeAndGo(s)
		}
	})
	b.Run("resolve", func(b *testing.B) {
		var names []string
		for i := range 73_000 {
			names = append(names, fmt.Sprintf("f%d.t%d", i%5000, i))
		}
		feeds := feedMap(names...)
		for _, text := range []string{"**", "*.t7", "f7.**", patternsOf(256, "*.t%d.x")} {
			b.Run(text[:min(len(text), 10)], func(b *testing.B) {
				s := sel(b, text)
				for b.Loop() {
					stream.Resolve(s, feeds, func(string) bool { return true })
				}
			})
		}
	})
}

func patternsOf(n int, form string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(form, i)
	}
	return strings.Join(list, ",")
}
