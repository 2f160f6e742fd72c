package stream_test

import (
	"sync"
	"testing"
	"time"

	"feedd/internal/memlog"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

// P1, P3: a listener is told first of an id at or below all that came. A
// shard gives its parked members what came from that on, and moves them to the
// head: what was told later and lies below would never reach them.
func TestP1_waiters_are_told_the_lowest_item_first(t *testing.T) {
	engine := memlog.Open(stream.StoreOptions{})
	hub := stream.NewHub(engine, stream.HubOptions{})
	defer hub.Close()
	defer engine.Close()
	id := stream.ID(100)
	for _, text := range []string{"a", "c,b,a", "a,b,c,d", "b,d", "*", "**", "a,x.**", "*.b,d"} {
		sel, err := selector.Parse(text, 8)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex // guards told
		var told []stream.ID
		w := hub.WaitFirst(sel, func(first stream.ID) {
			mu.Lock()
			told = append(told, first)
			mu.Unlock()
		})
		for range 50 { // a walk takes the feeds in any order
			mu.Lock()
			told = nil
			mu.Unlock()
			var items []stream.Item
			lowest := stream.ID(0)
			for _, feed := range []string{"e", "c", "b", "a", "d"} {
				id += 10
				items = append(items, stream.Item{ID: id, Feed: feed})
				if sel.Has(feed) && lowest == 0 {
					lowest = id
				}
			}
			hub.Wake(items)
			for deadline := time.Now().Add(time.Minute); ; {
				mu.Lock()
				got := append([]stream.ID(nil), told...)
				mu.Unlock()
				if len(got) == 0 && time.Now().Before(deadline) {
					time.Sleep(10 * time.Microsecond)
					continue
				}
				if len(got) == 0 || got[0] > lowest {
					t.Errorf("readers of %s are told of %d in this order, and the first item is %d", text, got, lowest)
				}
				break
			}
			if t.Failed() {
				break
			}
		}
		w.Close()
	}
}
