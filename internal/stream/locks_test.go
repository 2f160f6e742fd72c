package stream_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"feedd/internal/stream"
)

// P5: while the terms of a subscriber are put where they are found, or taken
// out, readers that are there get what comes, and others may go.
func TestP5_who_comes_and_goes_holds_up_no_delivery(t *testing.T) {
	hub, end := newHub()
	defer end()
	names, patterns := hub.Wait(sel(t, "a")), hub.Wait(sel(t, "*"))
	other := hub.Wait(sel(t, "b.**,c"))
	release := hub.HoldEdits()
	defer release()
	coming := make(chan *stream.Waiter)
	go func() { coming <- hub.Wait(sel(t, "x.**")) }()
	within(t, "a subscriber goes", other.Close)
	if _, err := hub.Publish(t.Context(), stream.Batch{Feed: "a", Drafts: []stream.Draft{{Data: []byte("x")}}}); err != nil {
		t.Fatal(err)
	}
	within(t, "who reads by name is told", func() { <-names.C })
	within(t, "who reads by a pattern is told", func() { <-patterns.C })
	within(t, "readers are counted", func() {
		if n := hub.Readers([]string{"a"})[0]; n != 2 {
			t.Errorf("%d readers of a, not 2", n)
		}
	})
	release()
	(<-coming).Close()
}

// P5: a commit does not wait while a reader's selection is asked which of many
// entries it has.
func TestP5_no_commit_waits_for_a_selection(t *testing.T) {
	hub, end := newHub()
	defer end()
	publish := func(feed string) {
		t.Helper()
		within(t, "a publish to "+feed, func() {
			if _, err := hub.Publish(t.Context(), stream.Batch{Feed: feed, Drafts: []stream.Draft{{Data: []byte(feed)}}}); err != nil {
				t.Error(err)
			}
		})
	}
	asked, answer := make(chan struct{}, 100), make(chan struct{})
	release := sync.OnceFunc(func() { close(answer) })
	defer release()
	slow := sel(t, "*.**,*").Allowing("slow", func(string) bool {
		asked <- struct{}{}
		<-answer
		return true
	})
	cur, err := hub.Open(t.Context(), slow, stream.Start{})
	if err != nil {
		t.Fatal(err)
	}
	publish("a")
	publish("a.b")
	got := make(chan stream.Delivery)
	go func() {
		d, err := hub.Next(t.Context(), cur, stream.Bounds{Items: 10, Bytes: 1 << 20})
		if err != nil {
			t.Error(err)
		}
		got <- d
	}()
	within(t, "the selection is asked", func() { <-asked })
	publish("c")
	release()
	if d := <-got; len(d.Entries) != 2 || d.Entries[0].Feed != "a" || d.Entries[1].Feed != "a.b" {
		t.Errorf("got %d entries, want those that were there", len(d.Entries))
	}
}

// P1, P4: what a reader of patterns gets of many entries, looked at some at a
// time, is what it selects, each once, and the cursor stands behind it.
func TestP1_patterns_over_many_entries(t *testing.T) {
	hub, end := newHub()
	defer end()
	cur, err := hub.Open(t.Context(), sel(t, "a.*,b"), stream.Start{})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 6000 {
		feed := [...]string{"a.x", "a", "c", "b", "a.x.y"}[i*i%5]
		if _, err := hub.Publish(t.Context(), stream.Batch{Feed: feed, Drafts: []stream.Draft{{Data: fmt.Append(nil, i)}}}); err != nil {
			t.Fatal(err)
		}
		if feed == "a.x" || feed == "b" {
			want = append(want, fmt.Sprint(i))
		}
	}
	for _, b := range []stream.Bounds{{Items: 1, Bytes: 1}, {Items: 100, Bytes: 1 << 20}, {Items: 1 << 20, Bytes: 1 << 30}, {Items: 1 << 20, Bytes: 700}} {
		c, n := *cur, 0
		for more := true; more; {
			d, err := hub.Next(t.Context(), &c, b)
			if err != nil {
				t.Fatal(err)
			}
			if d.Gap != nil || len(d.Entries) > b.Items || !d.More && d.Through != hub.Head() {
				t.Fatalf("%+v: %d entries, gap %v, through %s, more %v", b, len(d.Entries), d.Gap, d.Through, d.More)
			}
			for _, e := range d.Entries {
				if n == len(want) || string(e.Data) != want[n] {
					t.Fatalf("%+v: entry %d is %s", b, n, e.Data)
				}
				n++
			}
			c.Advance(&d)
			more = d.More
		}
		if n != len(want) {
			t.Errorf("%+v: %d entries, not %d", b, n, len(want))
		}
	}
}

// within runs fn, which hangs where something waits that should not.
func within(t *testing.T, what string, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: it hangs", what)
	}
}
