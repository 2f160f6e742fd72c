package streamtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"feedd/internal/selector"
	"feedd/internal/stream"
)

// P1 order: ids strictly increase; every reader sees the same items, in id
// order, each once.
var casesP1 = []testCase{
	{rule: "ids strictly increase over all feeds", run: testP1IDsIncrease},
	{rule: "ids increase when the clock steps back", run: testP1ClockStepsBack},
	{rule: "ids of a batch are consecutive under concurrent appends", run: testP1BatchesStayTogether},
	{rule: "commits are told in order, each item once, with the id before it", run: testP1WatchInOrder},
	{rule: "no reader of two feeds sees the later item without the earlier", run: testP1NoLaterWithoutEarlier},
	{rule: "readers that follow concurrent publishers see the same order", run: testP1FollowersAgree},
}

// Every id is above all that were given before it, whatever the feed, and
// above the opening: one id resumes any selection. Within a batch they are
// consecutive, in the order of the drafts.
func testP1IDsIncrease(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	last := st.start
	var want []stream.ID
	for i := range 30 {
		feed := fmt.Sprintf("f%d", i%3)
		rc := st.put(feed, []string{"x", "y", "z", "w"}[:1+i%4]...)
		if rc.First <= last {
			t.Fatalf("the batch has ids from %s, not above %s, which was given before", rc.First, last)
		}
		if rc.Last > stream.MaxID {
			t.Fatalf("id %s is above MaxID", rc.Last)
		}
		for id := rc.First; id <= rc.Last; id++ {
			want = append(want, id)
		}
		last = rc.Last
	}
	same(t, "the ids of all feeds are those of the receipts, in order", ids(st.items("**")), want)
}

// The clock of a machine may be set back; ids go on from the last one.
func testP1ClockStepsBack(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	a := st.put("f", "a")
	st.clock.move(-time.Hour)
	b := st.put("f", "b", "c")
	if b.First <= a.Last {
		t.Errorf("the clock stepped back an hour, and id %s was given after %s", b.First, a.Last)
	}
	st.holds("items stand in the order of their commits", "f", "a", "b", "c")
	if !s.Durable {
		return
	}
	st.reopen()
	c := st.put("f", "d")
	if c.First <= b.Last {
		t.Errorf("opened again with the clock an hour back, id %s was given after %s", c.First, b.Last)
	}
}

// A batch has the ids from First to Last, and no ids of other batches lie
// between them, also when many publish at once.
func testP1BatchesStayTogether(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	want := appendConcurrently(t, st, 8, 10)
	for _, b := range want {
		q := st.whole(st.sel("**"))
		q.After, q.UpTo = b.receipt.First-1, b.receipt.Last
		same(t, fmt.Sprintf("the ids %s to %s hold the batch and nothing else", b.receipt.First, b.receipt.Last), data(st.all(q)), b.data)
	}
}

// published is a batch with its receipt.
type published struct {
	data    []string
	receipt stream.Receipt
}

// appendConcurrently publishes batches of 1 to 4 items to three feeds from
// many goroutines at once, and returns them by id.
func appendConcurrently(t *testing.T, st *store, goroutines, batches int) []published {
	t.Helper()
	var (
		mu  sync.Mutex // guards all
		all []published
		wg  sync.WaitGroup
	)
	for g := range goroutines {
		wg.Go(func() {
			for i := range batches {
				d := make([]string, 1+i%4)
				for k := range d {
					d[k] = fmt.Sprintf("%d.%d.%d", g, i, k)
				}
				rc, err := st.Append(context.Background(), text(fmt.Sprintf("f%d", (g+i)%3), d...))
				if err != nil {
					t.Errorf("Append among others: %v", err)
					return
				}
				mu.Lock()
				all = append(all, published{d, rc})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortFunc(all, func(a, b published) int { return int(a.receipt.First - b.receipt.First) })
	return all
}

// The hub builds its windows from what OnCommit is told, so it must be told of
// every item once, in the order of ids, with the id before it in its feed:
// that tells whether a window reaches back far enough.
func testP1WatchInOrder(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxItems: 5})})
	want := appendConcurrently(t, st, 6, 8)
	var wantData []string
	for _, b := range want {
		wantData = append(wantData, b.data...)
	}
	same(t, "OnCommit is told of every item once, in the order of ids", data(st.record.items()), wantData)
	last, before := st.start, map[string]stream.ID{}
	for _, c := range st.record.told() {
		if len(c.Before) != len(c.Items) {
			t.Fatalf("a commit of %d items has %d ids in Before", len(c.Items), len(c.Before))
		}
		for i := range c.Items {
			it := &c.Items[i]
			if it.ID <= last {
				t.Errorf("OnCommit is told of %s after %s", it.ID, last)
			}
			if c.Before[i] != before[it.Feed] {
				t.Errorf("Before of item %s in %s is %s, but the item before it in that feed is %s", it.ID, it.Feed, c.Before[i], before[it.Feed])
			}
			last, before[it.Feed] = it.ID, it.ID
		}
	}
}

// Three publishes to the feeds A, B and A wait for one commit to end. A reader
// of both feeds, at any moment, sees the first ones of the three in the order
// of ids and never a later one alone: its cursor would pass the earlier one.
func testP1NoLaterWithoutEarlier(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	for round := range 10 {
		a, b := fmt.Sprintf("a%d", round), fmt.Sprintf("b%d", round)
		h := st.holdNext(t)
		first := st.begin(context.Background(), text("x", "held"))
		within(t, "the commit begins", h.entered)
		waiting := []<-chan answer{
			st.begin(context.Background(), text(a, "1")),
			st.begin(context.Background(), text(b, "2")),
			st.begin(context.Background(), text(a, "3")),
		}
		looks := make(chan [][]stream.ID, 1)
		go func() { looks <- look(t, st, a+","+b, 3) }()
		st.heal()
		h.open()
		var want []stream.ID
		for _, c := range append(waiting, first) {
			if ans := within(t, "an Append is answered", c); ans.err != nil {
				t.Fatalf("Append: %v", ans.err)
			} else if ans.receipt.Feed != "x" {
				want = append(want, ans.receipt.First)
			}
		}
		slices.Sort(want)
		for _, got := range within(t, "the reader sees all three", looks) {
			if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
				t.Fatalf("a reader of both feeds saw %v of the items %v: not the first ones", got, want)
			}
		}
	}
}

// look reads a selection again and again until it has n items, and returns
// what it saw each time; in turn up to the newest position told, and without a
// bound.
func look(t *testing.T, st *store, text string, n int) (seen [][]stream.ID) {
	sel, err := selector.Parse(text, 2)
	if err != nil {
		t.Error(err)
		return nil
	}
	deadline := time.Now().Add(patience)
	for i := 0; time.Now().Before(deadline); i++ {
		q := st.whole(sel)
		if i%2 == 1 {
			q.UpTo = stream.MaxID
		}
		p, err := st.Read(context.Background(), q)
		if err != nil {
			t.Errorf("Read while others publish: %v", err)
			return seen
		}
		seen = append(seen, ids(p.Items))
		if len(p.Items) >= n {
			return seen
		}
	}
	t.Errorf("%d items of %s were published and not seen", n, text)
	return seen
}

// Readers that page on up to the newest position told, while others publish,
// end with the same sequence: all of it, in order, each once.
func testP1FollowersAgree(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	const total = 8 * (1 + 2 + 3 + 4) * 3
	follow := func(after stream.ID, items int) (got []stream.ID) {
		sel, _ := selector.Parse("**", 1)
		q := stream.Query{Select: sel, After: after, Items: items, Bytes: many}
		for deadline := time.Now().Add(patience); len(got) < total && time.Now().Before(deadline); {
			q.UpTo = max(st.record.newest(), q.After)
			p, err := st.Read(context.Background(), q)
			if err != nil {
				t.Errorf("Read while others publish: %v", err)
				return got
			}
			if why := badPage(q, p); why != "" {
				t.Errorf("Read of %s: %s", describe(q), why)
				return got
			}
			got, q.After = append(got, ids(p.Items)...), p.Through
		}
		return got
	}
	var wg sync.WaitGroup
	got := make([][]stream.ID, 3)
	for i := range got {
		wg.Go(func() { got[i] = follow(st.start, 1+3*i) })
	}
	published := appendConcurrently(t, st, 8, 12)
	wg.Wait()
	var want []stream.ID
	for _, b := range published {
		for id := b.receipt.First; id <= b.receipt.Last; id++ {
			want = append(want, id)
		}
	}
	for i := range got {
		same(t, fmt.Sprintf("reader %d has every item once, in order", i), got[i], want)
	}
}
