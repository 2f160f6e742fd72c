package streamtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"feedd/internal/stream"
)

// Keeper: what the operator of a store asks of it.
var casesKeeper = []testCase{
	{rule: "Feeds tells the state of the feeds that match, by name", run: testKeeperFeeds},
	{rule: "Delete removes one item and says whether there was one", run: testKeeperDelete},
	{rule: "Purge removes all items and says how many", run: testKeeperPurge},
	{rule: "SetRetention stands above the configured one until it is taken back", run: testKeeperSetRetention},
	{rule: "Probe commits, and changes nothing that anyone sees", run: testKeeperProbe},
	{rule: "Usage counts feeds, items, keys and bytes", run: testKeeperUsage},
	{rule: "a closed log answers ErrClosed, and can be closed again", run: testKeeperClose},
	{rule: "items that were returned stay as they are", run: testKeeperItemsStay},
	{rule: "Durability says what the engine is", run: testKeeperDurability},
}

// The state of a feed is what its publishes, trims, deletes and purges come to,
// also after opening again.
func testKeeperFeeds(t *testing.T, s Subject) {
	configured := stream.Retention{MaxItems: 3, MaxBytes: 1000}
	st := open(t, s, stream.StoreOptions{Retention: retain(configured)})
	a := st.put("b.one", "1", "22", "333", "4444", "55555")
	p := st.put("a", "x")
	st.purge("a", 1)
	d := st.put("b.two", "1", "2", "3")
	st.remove("b.two", d.Last)
	in := st.put("_own", "x")
	state := func(selector string) []stream.FeedInfo {
		t.Helper()
		infos, err := st.Feeds(context.Background(), st.sel(selector))
		if err != nil {
			t.Fatalf("Feeds of %s: %v", selector, err)
		}
		return infos
	}
	want := []stream.FeedInfo{
		{Name: "a", Newest: p.Last, Lost: p.Last, Retention: configured},
		{Name: "b.one", Items: 3, Bytes: 12, Oldest: a.First + 2, Newest: a.Last, Lost: a.First + 1, Retention: configured},
		{Name: "b.two", Items: 2, Bytes: 2, Oldest: d.First, Newest: d.Last, Retention: configured},
	}
	own := stream.FeedInfo{Name: "_own", Items: 1, Bytes: 1, Oldest: in.First, Newest: in.First, Retention: configured}
	check := func() {
		t.Helper()
		same(t, "all but internal feeds", state("**"), want)
		same(t, "feeds of one level", state("*"), want[:1])
		same(t, "feeds of a pattern and a name", state("b.*,none"), want[1:])
		same(t, "feeds by name, in the order of names", state("b.two,b.one,_own"), append([]stream.FeedInfo{own}, want[1:]...))
		same(t, "no feed", state("none"), nil)
	}
	check()
	if s.Durable {
		st.reopen()
		check()
	}
}

// An item is named by feed and id together.
func testKeeperDelete(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	f, g := st.put("f", "a", "b", "c"), st.put("g", "d")
	absent := func(what, feed string, id stream.ID) {
		t.Helper()
		ok, err := st.Delete(context.Background(), feed, id)
		if err != nil || ok {
			t.Errorf("Delete of %s: got %v and error %v, want that there is none", what, ok, err)
		}
	}
	st.remove("f", f.First+1)
	absent("an item that was deleted", "f", f.First+1)
	absent("an item of another feed", "f", g.First)
	absent("an id that was never given", "f", f.Last+1)
	absent("an item of a feed that is not there", "none", f.First)
	if _, there := st.info("none"); there {
		t.Error("Delete made a feed")
	}
	st.holds("the others stay", "**", "a", "c", "d")
	if s.Durable {
		st.reopen()
		st.holds("it stays deleted", "**", "a", "c", "d")
	}
}

// A purge is for one feed, which goes on as before.
func testKeeperPurge(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	rc := st.put("f", "a", "b", "c")
	st.put("g", "d")
	st.remove("f", rc.First)
	st.purge("f", 2)
	st.purge("f", 0)
	st.purge("none", 0)
	if _, there := st.info("none"); there {
		t.Error("Purge made a feed")
	}
	st.holds("other feeds stay", "**", "d")
	if after := st.put("f", "e"); after.First <= rc.Last {
		t.Errorf("after a purge id %s was given, not above %s", after.First, rc.Last)
	}
	st.holds("the feed goes on", "f", "e")
	if s.Durable {
		st.reopen()
		st.holds("what was purged stays away", "**", "d", "e")
	}
}

// A bound that is lowered holds soon, even without publishes; one that is taken
// back gives way to the configuration.
func testKeeperSetRetention(t *testing.T, s Subject) {
	ctx := context.Background()
	configured := stream.Retention{MaxItems: 4}
	st := open(t, s, stream.StoreOptions{Retention: retain(configured)})
	set := func(feed string, r *stream.Retention) {
		t.Helper()
		if err := st.SetRetention(ctx, feed, r); err != nil {
			t.Fatalf("SetRetention of %s to %+v: %v", feed, r, err)
		}
	}
	inForce := func(feed string, want stream.Retention, own bool) {
		t.Helper()
		info, _ := st.info(feed)
		if info.Retention != want || info.Own != own {
			t.Errorf("the retention of %s is %+v, its own %v; want %+v, %v", feed, info.Retention, info.Own, want, own)
		}
	}
	more := stream.Retention{MaxItems: 6}
	set("f", &more) // makes the feed
	inForce("f", more, true)
	st.put("f", "1", "2", "3", "4", "5", "6", "7")
	st.holds("its own bound is above the configured", "f", "2", "3", "4", "5", "6", "7")
	st.put("g", "1", "2", "3", "4", "5")
	inForce("g", configured, false)

	less := stream.Retention{MaxItems: 2}
	set("f", &less)
	eventually(t, "a lowered bound holds without publishes", func() bool { return len(st.items("f")) == 2 })
	st.holds("the newest stay", "f", "6", "7")
	if s.Durable {
		st.reopen()
		inForce("f", less, true)
		inForce("g", configured, false)
	}
	st.put("f", "8")
	st.holds("it holds on", "f", "7", "8")
	st.holds("other feeds keep theirs", "g", "2", "3", "4", "5")

	set("f", nil)
	set("none", nil)
	if _, there := st.info("none"); there {
		t.Error("taking back the retention of a feed that is not there made it")
	}
	inForce("f", configured, false)
	st.put("f", "9", "10", "11")
	st.holds("the configured bound is in force again", "f", "8", "9", "10", "11")
	if s.Durable {
		st.reopen()
		inForce("f", configured, false)
	}
}

// A probe is for /readyz: no reader sees it, and ids go on as before.
func testKeeperProbe(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	a := st.put("f", "a")
	for range 3 {
		if err := st.Probe(context.Background()); err != nil {
			t.Fatalf("Probe: %v", err)
		}
	}
	if head := st.record.newest(); head != a.Last {
		t.Errorf("after a Probe the newest item that was told is %s, want %s", head, a.Last)
	}
	if b := st.put("f", "b"); b.First <= a.Last {
		t.Errorf("after a Probe id %s was given, not above %s", b.First, a.Last)
	}
	st.holds("a Probe is no item", "**", "a", "b")
	infos, err := st.Feeds(context.Background(), st.sel("**"))
	if err != nil || len(infos) != 1 {
		t.Errorf("after a Probe there are the feeds %+v (error %v), want f alone", infos, err)
	}
}

// Usage is what an operator's alarms look at.
func testKeeperUsage(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	const size, n = 4 << 10, 200
	for i := range n {
		b := text(fmt.Sprint("f", i%4), string(bytes.Repeat([]byte("x"), size)))
		if i%2 == 0 {
			b.Key = fmt.Sprint("k", i)
		}
		st.publish(b)
	}
	check := func() {
		t.Helper()
		u := st.Usage()
		u.Bytes, u.WAL = 0, 0
		same(t, "the numbers of feeds, items and keys", u, stream.Usage{Feeds: 4, Items: n, Keys: n / 2})
		// An engine need not measure its files each time.
		eventually(t, fmt.Sprintf("with %d bytes in items the store has as many, and not many times more", size*n), func() bool {
			b := st.Usage().Bytes
			return b >= size*n && b <= size*n*32
		})
	}
	check()
	if s.Durable {
		st.reopen()
		check()
	}
	st.purge("f0", n/4)
	if u := st.Usage(); u.Feeds != 4 || u.Items != n*3/4 {
		t.Errorf("after the purge of one feed of four the usage is %+v", u)
	}
}

// Closing is the one thing a log is asked twice: by who is done with it, and by
// who cleans up.
func testKeeperClose(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	ctx := context.Background()
	rc := st.put("f", "a")
	st.shut()
	if err := st.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	q := st.whole(st.sel("f"))
	for what, call := range map[string]func() error{
		"Append":       func() error { _, err := st.Append(ctx, text("f", "b")); return err },
		"Read":         func() error { _, err := st.Read(ctx, q); return err },
		"SourceAt":     func() error { _, err := st.SourceAt(ctx, "u"); return err },
		"Floor":        func() error { _, err := st.Floor(ctx, rc.First); return err },
		"Feeds":        func() error { _, err := st.Feeds(ctx, q.Select); return err },
		"Delete":       func() error { _, err := st.Delete(ctx, "f", rc.First); return err },
		"Purge":        func() error { _, err := st.Purge(ctx, "f"); return err },
		"SetRetention": func() error { return st.SetRetention(ctx, "f", &stream.Retention{}) },
		"Probe":        func() error { return st.Probe(ctx) },
	} {
		if err := call(); !errors.Is(err, stream.ErrClosed) {
			t.Errorf("%s of a closed log: error %v, want ErrClosed", what, err)
		}
	}
	same(t, "Openings of a closed log are what they were", len(st.Openings()), 1)
	st.Usage() // must not fail
}

// Windows hold items for as long as they like, so whatever happens to an item
// in the store, the one that was handed out is not written to. (The race
// detector looks at this too.)
func testKeeperItemsStay(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxItems: 12})})
	put := func(n int) {
		for i := range n {
			st.publish(stream.Batch{Feed: "f", Drafts: []stream.Draft{{Event: "e", Data: fmt.Appendf(nil, "%04d", i)}}})
		}
	}
	put(10)
	read, told := st.items("f"), st.record.items()
	before := lines(read)
	stop, watched := make(chan struct{}), make(chan struct{})
	go func() { // reads them all the while
		defer close(watched)
		for {
			select {
			case <-stop:
				return
			default:
				lines(read)
				lines(told)
			}
		}
	}()
	st.remove("f", read[5].ID)
	put(15)
	if _, err := st.Purge(context.Background(), "f"); err != nil {
		t.Errorf("Purge: %v", err)
	}
	put(15)
	close(stop)
	<-watched
	same(t, "the items that were read", lines(read), before)
	same(t, "the items that were told", lines(told), before)
}

// The header Feedd-Durability repeats it to publishers.
func testKeeperDurability(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	want := "memory"
	if s.Durable {
		want = "fsync"
	}
	if got := st.Durability(); got != want {
		t.Errorf("Durability of an engine with Durable %v is %q, want %q", s.Durable, got, want)
	}
}
