package selector_test

import (
	"fmt"
	"strings"
	"testing"

	"feedd/internal/selector"
)

// BenchmarkParse is for a selector of many long patterns.
func BenchmarkParse(b *testing.B) {
	text := patternsOf(256, "*"+strings.Repeat(".x", 58)+".%d")
	for b.Loop() {
		sel(b, text)
	}
}

// BenchmarkResolve is for selectors that match all, some and none of many feeds.
func BenchmarkResolve(b *testing.B) {
	var names []string
	for i := range 73_000 {
		names = append(names, fmt.Sprintf("f%d.t%d", i%5000, i))
	}
	feeds := feedMap(names...)
	for _, text := range []string{"**", "*.t7", "f7.**", patternsOf(256, "*.t%d.x")} {
		b.Run(text[:min(len(text), 10)], func(b *testing.B) {
			s := sel(b, text)
			for b.Loop() {
				selector.Resolve(s, feeds, func(string) bool { return true })
			}
		})
	}
}

func patternsOf(n int, form string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(form, i)
	}
	return strings.Join(list, ",")
}
