package stream

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"feedd/internal/selector"
)

// P6: the memory of the windows is bounded with all that readers have encoded,
// also where a format makes an item many times larger.
func TestP6_windows_are_bounded_with_their_frames(t *testing.T) {
	swell := []*Format{
		{append: func(dst []byte, it *Item) []byte { return append(dst, it.Data...) }},
		{append: func(dst []byte, it *Item) []byte { return append(dst, bytes.Repeat(it.Data, 7)...) }},
		{append: func(dst []byte, it *Item) []byte { return append(dst, bytes.Repeat(it.Data, 3)...) }},
	}
	const most = 1 << 20
	w := newWindows(most)
	w.start(1)
	sel, err := selector.Parse("a", 1)
	if err != nil {
		t.Fatal(err)
	}
	kept := func() (n int64) {
		for _, e := range w.tail.all() {
			n += e.cost()
			for f := e.frames.Load(); f != nil; f = f.next {
				n += int64(len(f.bytes))
			}
		}
		return n
	}
	data := []byte(strings.Repeat("x", 20_000))
	shared := false
	for id := ID(2); id < 200; id++ {
		w.apply(&Commit{Items: []Item{{ID: id, Feed: "a", Data: data}}, Before: []ID{id - 1}})
		if id%17 == 0 {
			w.apply(&Commit{Removed: []Removal{{Feed: "a", ID: id}}})
		}
		c := &Cursor{target: newTarget(sel), after: w.base}
		d, ok := w.deliver(c, Bounds{Items: 100, Bytes: 1 << 20}, time.Now())
		if !ok {
			t.Fatal("the windows do not reach back to their base")
		}
		for _, e := range d.Entries {
			for _, f := range swell {
				if got, want := e.AppendFrame(nil, f), f.append(nil, &e.Item); !bytes.Equal(got, want) {
					t.Fatal("a frame is not what the format makes")
				}
				shared = shared || e.frames.Load().of(f) != nil
			}
		}
		if n := kept(); n > most || n != w.memory.used.Load() {
			t.Fatalf("after item %d: %d bytes are kept and %d counted, of at most %d", id, n, w.memory.used.Load(), most)
		}
	}
	if !shared {
		t.Error("no frame was kept for other readers")
	}
}

// P6: a feed that is idle holds no memory, and a reader that reads on finds
// everything all the same: in the windows what comes next, in the log the rest.
func TestP6_windows_of_idle_feeds_are_dropped(t *testing.T) {
	w := newWindows(1 << 20)
	w.start(1)
	begin := time.Unix(1_000_000, 0)
	item := func(id ID, feed string) {
		w.apply(&Commit{Items: []Item{{ID: id, Feed: feed, Time: begin.Add(time.Duration(id) * time.Second), Data: []byte("x")}}, Before: []ID{0}})
	}
	for id := ID(2); id < 3000; id++ {
		item(id, "idle")
	}
	item(3000, "busy")
	w.expire(begin.Add(3000 * time.Second))
	if n := len(w.tail.all()); n != 1 || w.feeds["idle"] != nil || w.memory.used.Load() != w.tail.all()[0].cost() {
		t.Errorf("%d entries and %d bytes are left", n, w.memory.used.Load())
	}
	sel, err := selector.Parse("idle", 1)
	if err != nil {
		t.Fatal(err)
	}
	late := &Cursor{target: newTarget(sel), after: 2998, live: true}
	if _, ok := w.deliver(late, Bounds{Items: 1, Bytes: 1}, begin); ok {
		t.Error("the windows claim to know what was dropped")
	}
	live := &Cursor{target: newTarget(sel), after: 3000, live: true}
	item(3001, "idle")
	if d, ok := w.deliver(live, Bounds{Items: 1, Bytes: 1}, begin); !ok || len(d.Entries) != 1 {
		t.Errorf("the next item is not served: %+v", d)
	}
}
