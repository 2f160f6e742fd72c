package streamtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"feedd/internal/stream"
)

// P6 bounded: memory and disk stay within configured bounds.
var casesP6 = []testCase{
	{rule: "retention by count holds from each publish on", run: testP6Count},
	{rule: "retention by bytes holds from each publish on, and the newest item always stays", run: testP6Bytes},
	{rule: "retention by age holds without publishes, and what goes is told", run: testP6Age},
	{rule: "lowered bounds hold after opening again", durable: true, run: testP6LoweredWhileClosed},
	{rule: "a read for a rare event looks at a bounded number of items", run: testP6BoundedScan},
	{rule: "the number of keys is bounded, and the oldest go", run: testP6Keys},
	{rule: "the number of feeds is bounded", run: testP6Feeds},
	{rule: "the size of the store is bounded, and a full one can be read and purged", run: testP6StoreBytes},
}

// After each publish the feed has the newest MaxItems items, no more and no
// less, and another feed's bound is its own.
func testP6Count(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: historyRetention})
	var want []string
	for i := range 20 {
		d := []string{fmt.Sprint(i, "a"), fmt.Sprint(i, "b"), fmt.Sprint(i, "c")}[:1+i%3]
		st.put("x.short", d...)
		st.put("whole", d[0])
		want = append(want, d...)
		want = want[max(0, len(want)-4):]
		st.holds("the feed keeps the newest 4", "x.short", want...)
		if info, _ := st.info("x.short"); info.Items != len(want) {
			t.Errorf("the feed says that it has %d items, want %d", info.Items, len(want))
		}
	}
	same(t, "the number of items of a feed without bounds", len(st.items("whole")), 20)
}

// After each publish the feed has as many of the newest items as fit, and the
// newest one whatever its size: who just published can read it. An event name
// counts.
func testP6Bytes(t *testing.T, s Subject) {
	const most = 100
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxBytes: most})})
	var want []string
	for _, size := range []int{10, 30, 30, 30, 1, 99, 1, 1, 250, 5, 95, 4, 101, 100, 7} {
		d := strings.Repeat("x", size-1)
		st.publish(stream.Batch{Feed: "f", Drafts: []stream.Draft{{Event: "e", Data: []byte(d)}}})
		want = append(want, d)
		for sum(want) > most && len(want) > 1 {
			want = want[1:]
		}
		st.holds(fmt.Sprintf("the newest items of together at most %d bytes", most), "f", want...)
		if info, _ := st.info("f"); info.Bytes != int64(sum(want)) {
			t.Errorf("the feed says that it has %d bytes, want %d", info.Bytes, sum(want))
		}
	}
}

// sum returns the bytes of items with these data and an event name of one
// letter.
func sum(data []string) int {
	n := 0
	for _, d := range data {
		n += len(d) + 1
	}
	return n
}

// Age is no matter of the feed's next publish, which may never come. Until an
// item is trimmed it is readable; a reader has it or is told, at any moment.
func testP6Age(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxAge: time.Hour})})
	old := st.put("f", "a", "b", "c")
	st.clock.move(40 * time.Minute)
	st.put("f", "d")
	st.holds("nothing is older than an hour", "f", "a", "b", "c", "d")
	st.clock.move(40 * time.Minute)
	q := st.whole(st.sel("f"))
	eventually(t, "items older than MaxAge are trimmed without publishes", func() bool {
		p := st.page(q)
		missing := 4 - len(p.Items)
		want := &stream.Loss{
			Through: old.First + stream.ID(missing) - 1, Reason: stream.Trimmed,
			Oldest: old.First + stream.ID(missing), Resume: old.First + stream.ID(missing) - 1, Feeds: []string{"f"},
		}
		switch missing {
		case 0:
			want = nil
		case 3:
			want.Oldest = p.Items[0].ID
		}
		same(t, fmt.Sprintf("with %d of the items gone", missing), p.Loss, want)
		return missing >= 3
	})
	st.holds("the item of 40 minutes stays", "f", "d")
	st.clock.move(40 * time.Minute)
	eventually(t, "the newest item is trimmed by age too", func() bool { return st.Usage().Items == 0 })
}

// The operator lowers a bound in the configuration and starts again.
func testP6LoweredWhileClosed(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	start := st.start
	rc := st.put("f", "a", "b", "c", "d", "e")
	st.opts.Retention = retain(stream.Retention{MaxItems: 2})
	st.reopen()
	eventually(t, "the lowered bound holds without publishes", func() bool { return len(st.items("f")) == 2 })
	st.holds("the newest stay", "f", "d", "e")
	same(t, "what was trimmed is told", st.loss("f", start, 0), &stream.Loss{
		Through: rc.First + 2, Reason: stream.Trimmed, Oldest: rc.First + 3, Resume: rc.First + 2, Feeds: []string{"f"},
	})
}

// A reader may ask for an event that hardly ever comes. A Read that looked
// through a large store for it would hold up all others. So it stops after some
// items, says how far it came, and is asked again.
func testP6BoundedScan(t *testing.T, s Subject) {
	const batch = 4_000
	const most = 15_000 // looked at by one Read; engines choose less
	total := 100_000
	selectors := []string{"a", "a,b", "*"}
	if raceEnabled {
		total, selectors = 16_000, []string{"a", "*"}
	}
	st := open(t, s, stream.StoreOptions{})
	var want []stream.ID
	for n := 0; n < total; n += batch {
		b := stream.Batch{Feed: "a", Drafts: make([]stream.Draft, batch)}
		if n/batch == 1 {
			b.Feed = "b"
		}
		for i := range b.Drafts {
			b.Drafts[i] = stream.Draft{Event: "common", Data: []byte("x")}
		}
		rare := -1
		switch n {
		case 0:
			rare = 0
		case total / 2 / batch * batch:
			rare = batch / 3
		case total - batch:
			rare = batch - 1
		}
		if rare >= 0 {
			b.Drafts[rare].Event = "rare"
		}
		rc := st.publish(b)
		if rare >= 0 {
			want = append(want, rc.First+stream.ID(rare))
		}
	}
	all := ids(st.record.items())
	for _, selector := range selectors {
		q := st.whole(st.sel(selector, "rare"))
		q.Items = 100
		q.Backward = selector == "*"
		same(t, "in the end all matches are found: "+describe(q), boundedScan(st, q, all, most), want)
		if !raceEnabled {
			q.Backward = !q.Backward
			same(t, "in the end all matches are found: "+describe(q), boundedScan(st, q, all, most), want)
		}
	}
}

// boundedScan pages through a query and returns the ids it found. No page may
// look at more than most of the ids in all.
func boundedScan(st *store, q stream.Query, all []stream.ID, most int) (got []stream.ID) {
	st.t.Helper()
	below := func(id stream.ID) int { // how many items are at or below id
		n, found := slices.BinarySearch(all, id)
		if found {
			n++
		}
		return n
	}
	for {
		p := st.page(q)
		low, high := q.After, p.Through
		if q.Backward {
			low, high = p.Through, q.UpTo
			got, q.UpTo = append(ids(p.Items), got...), p.Through
		} else {
			got, q.After = append(got, ids(p.Items)...), p.Through
		}
		if n := below(high) - below(low); n > most {
			st.t.Fatalf("one Read of %s looked at %d items, want at most %d", describe(q), n, most)
		}
		if !p.More {
			return got
		}
	}
}

// A publisher that gives each publish a key of its own must not fill the
// memory: the oldest keys are forgotten, the newest work.
func testP6Keys(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Keys: 20})
	var batches []stream.Batch
	var receipts []stream.Receipt
	for i := range 60 {
		b := keyed(text("f", fmt.Sprint(i)), fmt.Sprint("k", i))
		batches, receipts = append(batches, b), append(receipts, st.publish(b))
	}
	eventually(t, "at most 20 keys are remembered", func() bool { return st.Usage().Keys <= 20 })
	for i := 45; i < 60; i++ {
		st.replayed(batches[i], receipts[i])
	}
	if rc := st.publish(batches[0]); rc.Replayed {
		t.Errorf("the oldest of 60 keys, of which 20 are remembered, got %+v, want it stored anew", rc)
	}
}

// A client that may publish to any name must not fill the memory with feeds.
// The feeds that exist go on.
func testP6Feeds(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Feeds: 3})
	st.put("a", "1")
	st.put("b", "1")
	if err := st.SetRetention(context.Background(), "c", &stream.Retention{MaxItems: 5}); err != nil {
		t.Fatalf("SetRetention of a third feed: %v", err)
	}
	refuse := func() {
		t.Helper()
		if rc, err := st.Append(context.Background(), text("d", "1")); !errors.Is(err, stream.ErrTooManyFeeds) {
			t.Errorf("Append to a fourth feed of 3: got %+v and error %v, want ErrTooManyFeeds", rc, err)
		}
		if err := st.SetRetention(context.Background(), "d", &stream.Retention{MaxItems: 5}); !errors.Is(err, stream.ErrTooManyFeeds) {
			t.Errorf("SetRetention of a fourth feed of 3: error %v, want ErrTooManyFeeds", err)
		}
		if _, there := st.info("d"); there {
			t.Error("the fourth feed of 3 is there")
		}
	}
	refuse()
	st.put("c", "1")
	st.put("a", "2")
	st.holds("the feeds there are go on", "*", "1", "1", "1", "2")
	if s.Durable {
		st.reopen()
		refuse()
	}
}

// A full store refuses to publish, and no more than that: what is there can be
// read, a repeat gets its receipt, and a purge makes room.
func testP6StoreBytes(t *testing.T, s Subject) {
	const most, size = 4 << 20, 32 << 10
	st := open(t, s, stream.StoreOptions{Bytes: most})
	d := strings.Repeat("x", size)
	first := keyed(text("f", "first"), "k")
	rc := st.publish(first)
	stored := 0
	for ; ; stored++ {
		st.clock.move(time.Millisecond)
		_, err := st.Append(context.Background(), text("f", d))
		if errors.Is(err, stream.ErrFull) {
			break
		}
		if err != nil {
			t.Fatalf("Append: %v", err)
		}
		if stored > most/size+16 {
			t.Fatalf("%d items of %d bytes were stored within %d bytes", stored, size, most)
		}
	}
	if stored < most/size/8 {
		t.Errorf("after %d items of %d bytes the store of %d bytes says that it is full", stored, size, most)
	}
	if u := st.Usage(); u.Bytes < int64(stored*size) {
		t.Errorf("with %d items of %d bytes the store says that it has %d bytes", stored, size, u.Bytes)
	}
	same(t, "a full store can be read; what it refused is not there", len(st.items("f")), stored+1)
	small := 0 // what still fits where only a large one does not
	for ; ; small++ {
		if _, err := st.Append(context.Background(), text("f", "x")); err != nil {
			break
		}
	}
	if err := st.Probe(context.Background()); !errors.Is(err, stream.ErrFull) {
		t.Errorf("Probe of a store that takes no item: error %v, want ErrFull", err)
	}
	st.replayed(first, rc)
	st.purge("f", stored+1+small)
	for range stored / 4 { // as large as what was refused
		eventually(t, "a purge makes room", func() bool {
			_, err := st.Append(context.Background(), text("f", d))
			if err != nil && !errors.Is(err, stream.ErrFull) {
				t.Fatalf("Append: %v", err)
			}
			return err == nil
		})
	}
	same(t, "the store goes on", len(st.items("f")), stored/4)
}
