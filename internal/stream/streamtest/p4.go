package streamtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"feedd/internal/selector"
	"feedd/internal/stream"
)

// P4 no silent loss: if anything selected after N is gone, the reader is told
// first. What ran out by its own ttl, or was deleted singly, is no loss.
var casesP4 = []testCase{
	{rule: "a trim between two pages is told by the second, exactly", run: testP4TrimBetweenPages},
	{rule: "a purge is told with its reason", run: testP4Purge},
	{rule: "there is no false alarm", run: testP4NoFalseAlarm},
	{rule: "a reader that was told resumes below what is retained of other feeds", run: testP4Resume},
	{rule: "a single delete is no loss", run: testP4DeleteIsNoLoss},
	{rule: "an item that ran out is not returned, and is no loss", run: testP4ExpiryIsNoLoss},
	{rule: "event names do not count in losses", run: testP4EventsDoNotCount},
	{rule: "a loss names the feeds, sorted, at most MaxGapFeeds", run: testP4NamesFeeds},
	{rule: "losses of any history are exact", run: testP4HistoriesAreExact},
	{rule: "a reader that is overtaken by trimming is told of all it missed", run: testP4OvertakenReader},
	{rule: "losses are told after opening again", durable: true, run: testP4LossStays},
	{rule: "the loss of a forgotten feed is told to all that may have read it", run: testP4ForgottenFeed},
	{rule: "nothing is lost to the zero selection, which selects nothing", run: testP4ZeroSelection},
}

// The reader has a page, retention trims what comes next, and the next page
// says so: through which id, and what the oldest one is now.
func testP4TrimBetweenPages(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxItems: 4})})
	a := st.put("f", "a", "b", "c", "d")
	q := st.whole(st.sel("f"))
	q.Items = 1
	p := st.page(q)
	same(t, "the first page has no loss", p.Loss, nil)
	if p.Through != a.First {
		t.Fatalf("a page of one item ends at %s, want %s", p.Through, a.First)
	}
	e := st.put("f", "e", "f", "g")
	q.After, q.UpTo = p.Through, st.record.newest()
	p = st.page(q)
	same(t, "the second page tells of b and c", p.Loss, &stream.Loss{
		Through: a.First + 2, Reason: stream.Trimmed, Oldest: a.Last, Resume: a.First + 2, Feeds: []string{"f"},
	})
	same(t, "and goes on with what is retained", data(p.Items), []string{"d"})
	if p.Loss == nil {
		t.FailNow()
	}
	q.LossTold, q.After, q.Items = p.Loss.Through, p.Loss.Resume, many
	p = st.page(q)
	same(t, "a reader that went on from Resume is not told again", p.Loss, nil)
	same(t, "and has the rest", data(p.Items), []string{"d", "e", "f", "g"})
	same(t, "up to the newest", p.Through, e.Last)
}

// A purge is told like a trim, with its own reason; what is trimmed later has
// the later reason.
func testP4Purge(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxItems: 3})})
	a := st.put("f", "a", "b")
	st.put("g", "x")
	st.purge("f", 2)
	want := &stream.Loss{Through: a.Last, Reason: stream.Purged, Resume: a.Last, Feeds: []string{"f"}}
	same(t, "nothing is left: the reader resumes at the loss", st.loss("f", st.start, 0), want)
	same(t, "with one of two left to read", st.loss("f", a.First, 0), want)
	st.purge("f", 0)
	same(t, "a purge of an empty feed changes nothing", st.loss("f", a.First, 0), want)
	b := st.put("f", "c", "d")
	want.Oldest = b.First
	same(t, "new items come after the loss", st.loss("f", a.First, 0), want)
	st.put("f", "e", "f")
	want.Through, want.Reason, want.Oldest, want.Resume = b.First, stream.Trimmed, b.Last, b.First
	same(t, "what is trimmed later has that reason", st.loss("f", a.First, 0), want)
}

// Telling of a loss that was none teaches people to ignore gaps.
func testP4NoFalseAlarm(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: historyRetention})
	none := func(rule, selector string, after, told stream.ID) {
		t.Helper()
		if l := st.loss(selector, after, told); l != nil {
			t.Errorf("%s: reading %s above %s, told of %s, got the loss %+v, want none", rule, selector, after, told, l)
		}
	}
	none("the store is empty", "**", 0, 0)
	none("there is no such feed", "none", 0, 0)
	st.put("whole", "a", "b", "c", "d", "e")
	none("nothing was trimmed", "**", 0, 0)
	rc := st.put("x.short", "1", "2", "3", "4", "5", "6")
	lost := rc.First + 1
	none("the feed is not selected", "whole", 0, 0)
	none("the feed does not match", "*", 0, 0)
	none("the feed is absent", "none,whole", 0, 0)
	none("the reader stands at the loss", "**", lost, 0)
	none("the reader stands above the loss", "x.short", lost+1, 0)
	none("the reader was told", "**", 0, lost)
	if l := st.loss("x.short", lost-1, lost-1); l == nil {
		t.Errorf("the reader stands and was told just below the loss %s: no loss, want one", lost)
	}
	q := st.whole(st.sel("**"))
	q.Select = q.Select.Allowing("some", func(feed string) bool { return feed == "whole" })
	if l := st.page(q).Loss; l != nil {
		t.Errorf("the feed that lost is not allowed to this reader: got the loss %+v", l)
	}
}

// Feed a loses items above one that b still has. A reader of both that went on
// from the highest loss would skip it: it goes on from the highest loss that
// lies below all that is retained.
func testP4Resume(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	ctx := context.Background()
	c := st.put("c", "c1")
	a1 := st.put("a", "a1")
	b := st.put("b", "b1", "b2")
	st.put("a", "a2")
	st.purge("c", 1)
	if err := st.SetRetention(ctx, "a", &stream.Retention{MaxItems: 1}); err != nil {
		t.Fatalf("SetRetention: %v", err)
	}
	a3 := st.put("a", "a3", "a4")
	eventually(t, "the lowered bound holds", func() bool { return len(st.items("a")) == 1 })
	lost := a3.First
	want := &stream.Loss{Through: lost, Reason: stream.Trimmed, Oldest: b.First, Resume: c.Last, Feeds: []string{"a", "c"}}
	same(t, "before everything: to the loss below b1", st.loss("*", st.start, 0), want)
	want.Resume, want.Feeds = a1.Last, []string{"a"}
	same(t, "standing at a1, which is gone: stay", st.loss("a,b,c", a1.Last, 0), want)
	want.Resume, want.Oldest = b.First, b.Last
	same(t, "standing at b1: stay, b2 is next", st.loss("a,b", b.First, 0), want)
	want.Resume, want.Oldest = lost, a3.Last
	same(t, "standing at b2, the last below the loss: to the loss", st.loss("a,b", b.Last, 0), want)
	same(t, "a alone: to the loss", st.loss("a", st.start, 0), want)
}

// A client that deletes one item wants it gone, so no reader is told that
// something is missing.
func testP4DeleteIsNoLoss(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	rc := st.put("f", "a", "b", "c")
	for id := rc.First; id <= rc.Last; id++ {
		st.remove("f", id)
		same(t, "a deleted item is no loss", st.loss("**", st.start, 0), nil)
	}
	st.holds("all were deleted", "f")
	if info, _ := st.info("f"); info.Lost != 0 {
		t.Errorf("the feed says that it lost %s, but its items were deleted singly", info.Lost)
	}
}

// From the moment that its ttl ran out an item is not returned, swept or not.
// It is no loss, neither then nor when it leaves the store, also where
// retention would have trimmed it by then or a purge comes over it.
func testP4ExpiryIsNoLoss(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: historyRetention})
	brief := func(feed string, d ...string) stream.Receipt {
		b := text(feed, d...)
		for i := range b.Drafts {
			b.Drafts[i].TTL = time.Minute
		}
		return st.publish(b)
	}
	st.put("f", "a")
	brief("f", "b", "c")
	st.put("f", "d")
	brief("x.short", "1", "2")
	brief("p", "only")
	mixed := st.put("q", "stays")
	brief("q", "goes")
	st.holds("before the ttl runs out", "f", "a", "b", "c", "d")

	st.clock.move(61 * time.Second)
	for _, selector := range []string{"f", "f,g", "*"} {
		q := st.whole(st.sel(selector))
		q.Select = q.Select.Allowing("some", func(feed string) bool { return feed == "f" })
		same(t, "expired items are left out of "+selector, data(st.all(q)), []string{"a", "d"})
		q.Backward = true
		same(t, "expired items are left out of "+selector+" backward", data(st.all(q)), []string{"a", "d"})
	}
	st.put("x.short", "3", "4", "5", "6")
	st.holds("the feed keeps 4", "x.short", "3", "4", "5", "6")
	if _, err := st.Purge(context.Background(), "p"); err != nil {
		t.Fatalf("Purge: %v", err)
	}
	same(t, "what ran out and then was trimmed, purged or left is no loss", st.loss("**", st.start, 0), nil)
	st.purge("q", 1)
	want := &stream.Loss{Through: mixed.Last, Reason: stream.Purged, Resume: mixed.Last, Feeds: []string{"q"}}
	same(t, "a purge counts up to the last item that had not run out", st.loss("q", st.start, 0), want)
	eventually(t, "items that ran out leave the store", func() bool { return st.Usage().Items == 6 })
	same(t, "sweeping them is no loss", st.loss("f,x.short,p", st.start, 0), nil)
}

// A log does not remember the event names of what is gone, so a reader of some
// events is told of every loss. And it must not go on beyond items of other
// events, which may be what it asks for next.
func testP4EventsDoNotCount(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxItems: 2})})
	var rcs []stream.Receipt
	for _, event := range []string{"card", "card", "card", "goal"} {
		rcs = append(rcs, st.publish(stream.Batch{Feed: "f", Drafts: []stream.Draft{{Event: event, Data: []byte("x")}}}))
	}
	p := st.page(st.whole(st.sel("f", "goal")))
	same(t, "the loss without regard to events", p.Loss, &stream.Loss{
		Through: rcs[1].Last, Reason: stream.Trimmed, Oldest: rcs[2].Last, Resume: rcs[1].Last, Feeds: []string{"f"},
	})
	same(t, "the items with regard to events", ids(p.Items), []stream.ID{rcs[3].Last})
}

// A pattern may stand for a hundred thousand feeds. A loss names some.
func testP4NamesFeeds(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxItems: 1})})
	var names []string
	for i := range stream.MaxGapFeeds + 4 {
		name := fmt.Sprintf("f%02d", (i*7)%(stream.MaxGapFeeds+4)) // not in order
		names = append(names, name)
		st.put(name, "a", "b")
	}
	st.put("f00x", "whole")
	slices.Sort(names)
	l := st.loss("*", st.start, 0)
	if l == nil {
		t.Fatal("every feed lost an item, but there is no loss")
	}
	if len(l.Feeds) != stream.MaxGapFeeds || !slices.IsSorted(l.Feeds) {
		t.Errorf("the loss names %q, want %d names, sorted", l.Feeds, stream.MaxGapFeeds)
	}
	for _, name := range l.Feeds {
		if !slices.Contains(names, name) {
			t.Errorf("the loss names %s, which lost nothing", name)
		}
	}
	if l := st.loss("f03,f01,f00x", st.start, 0); l != nil {
		same(t, "two feeds", l.Feeds, []string{"f01", "f03"})
	} else {
		t.Error("two feeds lost an item, but there is no loss")
	}
}

// Random histories with trims, purges, deletes and ttls: the loss of a page is
// that of the model, whatever the selection, the place, what was told, and the
// page limits.
func testP4HistoriesAreExact(t *testing.T, s Subject) {
	checkHistories(t, s, func(h *history, q stream.Query) {
		h.t.Helper()
		q.Backward = false
		if q.After > q.UpTo {
			// Whether a reader beyond the end is told is of no use to anyone.
			return
		}
		p := h.page(q)
		same(h.t, "the loss of "+describe(q), p.Loss, h.model.loss(q))
		q.Backward = true
		h.page(q) // has no loss, see badPage
	})
}

// A publisher outruns a reader of small pages on a short feed. Whatever ids the
// reader's cursor passes, it was given the item or told of the loss before.
func testP4OvertakenReader(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxItems: 5})})
	st.put("f", "first")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 150 {
			if _, err := st.Append(context.Background(), text("f", fmt.Sprint(i), "x")); err != nil {
				t.Errorf("Append: %v", err)
				return
			}
		}
	}()
	q := st.whole(st.sel("f"))
	q.Items = 3
	got, passed := map[stream.ID]bool{}, q.After
	told := map[stream.ID]stream.ID{} // what was told when the cursor stood there
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		q.UpTo = max(st.record.newest(), q.After)
		p := st.page(q)
		if p.Loss != nil {
			if p.Loss.Through <= q.LossTold || p.Loss.Through <= q.After {
				t.Errorf("a reader at %s that was told of %s got the loss %+v, which is not above both", q.After, q.LossTold, p.Loss)
			}
			q.LossTold = p.Loss.Through
		}
		for _, it := range p.Items {
			got[it.ID] = true
		}
		for _, it := range st.record.items() {
			if it.ID > q.After && it.ID <= p.Through {
				told[it.ID] = q.LossTold
			}
		}
		q.After, passed = p.Through, p.Through
	}
	for _, it := range st.record.items() {
		if it.ID <= passed && !got[it.ID] && it.ID > told[it.ID] {
			t.Errorf("the reader passed item %s without being given it and without being told of a loss up to it (told of %s)", it.ID, told[it.ID])
		}
	}
}

// A restart is the commonest reason to resume, so it must not make readers
// forget what is gone.
func testP4LossStays(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxItems: 2})})
	start := st.start
	a := st.put("trimmed", "a", "b", "c")
	b := st.put("purged", "a")
	st.purge("purged", 1)
	for range 2 {
		st.reopen()
		same(t, "what was trimmed", st.loss("trimmed", start, 0), &stream.Loss{
			Through: a.First, Reason: stream.Trimmed, Oldest: a.First + 1, Resume: a.First, Feeds: []string{"trimmed"},
		})
		same(t, "what was purged", st.loss("purged", start, 0), &stream.Loss{
			Through: b.Last, Reason: stream.Purged, Resume: b.Last, Feeds: []string{"purged"},
		})
		same(t, "a reader above is not told", st.loss("**", b.Last, 0), nil)
	}
}

// An empty feed that was not touched for its MaxAge is forgotten, else names
// would pile up. Its loss goes into one mark of the store, which is told to
// every reader that may have read the feed: of any pattern, and of a name that
// is absent. A feed made anew starts with it.
func testP4ForgottenFeed(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxAge: time.Hour})})
	ctx := context.Background()
	start := st.start
	if err := st.SetRetention(ctx, "kept", &stream.Retention{MaxItems: 10}); err != nil {
		t.Fatalf("SetRetention: %v", err)
	}
	if err := st.SetRetention(ctx, "own", &stream.Retention{MaxAge: time.Minute}); err != nil {
		t.Fatalf("SetRetention: %v", err)
	}
	kept := st.put("kept", "a")
	gone := st.put("gone", "a", "b")
	st.clock.move(40 * time.Minute)
	st.remove("touched", st.put("touched", "a").First) // a delete is no loss
	st.clock.move(40 * time.Minute)
	eventually(t, "a feed that is empty and was not touched for its MaxAge is forgotten", func() bool {
		_, there := st.info("gone")
		return !there
	})
	for feed, why := range map[string]string{
		"kept":    "it has an item",
		"own":     "it is empty, but has a retention of its own",
		"touched": "it is empty, but was touched since",
	} {
		if _, there := st.info(feed); !there {
			t.Errorf("the feed %s was forgotten: %s", feed, why)
		}
	}
	check := func() {
		t.Helper()
		want := &stream.Loss{Through: gone.Last, Reason: stream.Trimmed, Resume: gone.Last}
		same(t, "a reader of the absent name", st.loss("gone", start, 0), want)
		same(t, "a reader of names that are there is not told", st.loss("kept", start, 0), nil)
		same(t, "a reader of another absent name above the mark is not told", st.loss("other", gone.Last, 0), nil)
		same(t, "a reader that was told is not told again", st.loss("gone", start, gone.Last), nil)
		want.Oldest, want.Resume = kept.First, start
		same(t, "a reader of a pattern", st.loss("*", start, 0), want)
		same(t, "a reader of the absent name among others", st.loss("gone,kept", start, 0), want)
	}
	check()
	if s.Durable {
		st.reopen()
		check()
	}
	again := st.put("gone", "c")
	l := st.loss("gone", start, 0)
	if l == nil || l.Through != gone.Last || l.Oldest != again.First || l.Resume != gone.Last {
		t.Errorf("a feed made anew starts with the mark %s as its loss: a reader got %+v", gone.Last, l)
	}
	if info, _ := st.info("gone"); info.Lost != gone.Last {
		t.Errorf("a feed made anew says that it lost %s, want the mark %s", info.Lost, gone.Last)
	}
}

// The zero Selection has no pattern and no name, so it cannot have held a feed
// that was forgotten.
func testP4ZeroSelection(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxAge: time.Hour})})
	st.put("gone", "a")
	st.clock.move(3 * time.Hour)
	eventually(t, "the feed is forgotten", func() bool { return st.Usage().Feeds == 0 })
	if l := st.page(st.whole(selector.Selection{})).Loss; l != nil {
		t.Errorf("the zero Selection selects nothing: got the loss %+v", l)
	}
}
