package stream_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"feedd/internal/memlog"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

// P6: what a selection takes is what it says that it costs, and no more, in
// whatever shape it comes: budgets count by that. Some hundred bytes are for the
// subscriber as such.
func TestP6_selections_cost_what_they_say(t *testing.T) {
	const each = 1 << 10
	many := func(n int, term func(i int) string) string {
		list := make([]string, n)
		for i := range list {
			list[i] = term(i)
		}
		return strings.Join(list, ",")
	}
	letters := func(reader, i, n int) string { // n tokens of one letter, others for each reader and term
		tokens := make([]string, n)
		for j := range tokens {
			tokens[j] = string("abcdefghij"[(reader*31+i*7+j*(1+i%5)+(reader>>(j%8))+(i>>(j%7)))%10])
		}
		return strings.Join(tokens, ".")
	}
	var names []string
	for i := range 15_000 {
		names = append(names, fmt.Sprintf("e%d", i))
	}
	for _, tt := range []struct {
		name    string
		readers int
		term    func(reader int) string
		events  []string
	}{
		{"a name", 2000, func(r int) string { return fmt.Sprint("user.", r) }, nil},
		{"a pattern", 2000, func(r int) string { return fmt.Sprintf("user.%d.**", r) }, nil},
		{"many short names", 50, func(r int) string { return many(256, func(i int) string { return fmt.Sprintf("%x-%x", r, i) }) }, nil},
		{"the same of many", 300, func(r int) string { return many(256, func(i int) string { return fmt.Sprintf("*.%d", i) }) }, nil},
		{"many long patterns", 50, func(r int) string {
			return many(256, func(i int) string { return "*." + letters(r, i, 61) })
		}, nil},
		{"stars and letters", 50, func(r int) string {
			return many(256, func(i int) string {
				tokens := strings.Split(letters(r, i, 62), ".")
				for j := range tokens {
					if (i>>(j%8)+r)&1 == 0 {
						tokens[j] = "*"
					}
				}
				return strings.Join(tokens, ".")
			})
		}, nil},
		{"open ends", 50, func(r int) string {
			return many(256, func(i int) string { return letters(r, i, 40) + ".**" })
		}, nil},
		{"many events", 20, func(r int) string { return fmt.Sprint("f", r) }, names},
	} {
		hub, end := newHub()
		sels := make([]selector.Selection, tt.readers)
		cost := int64(0)
		for r := range sels {
			cost = max(cost, sel(t, tt.term(r)).Only(tt.events).Cost())
		}
		waiters := make([]*stream.Waiter, 0, tt.readers)
		cursors := make([]*stream.Cursor, 0, tt.readers)
		before := reachable()
		for r := range tt.readers {
			w := hub.Wait(sel(t, tt.term(r)).Only(tt.events))
			c, err := hub.Open(t.Context(), w.Selection(), stream.Start{})
			if err != nil {
				t.Fatal(err)
			}
			waiters, cursors = append(waiters, w), append(cursors, c)
		}
		grown := (reachable() - before) / int64(tt.readers)
		t.Logf("%s: %d bytes a reader, which cost %d", tt.name, grown, cost)
		if grown > cost+each {
			t.Errorf("%s: %d bytes a reader, and they cost %d", tt.name, grown, cost)
		}
		for _, w := range waiters {
			w.Close()
		}
		runtime.KeepAlive(cursors)
		end()
	}
}

func newHub() (*stream.Hub, func()) {
	log := memlog.Open(stream.StoreOptions{})
	hub := stream.NewHub(log, stream.HubOptions{})
	return hub, func() { log.Close(); hub.Close() }
}

// reachable returns how many bytes are reachable.
func reachable() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
