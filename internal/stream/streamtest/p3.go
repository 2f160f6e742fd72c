package streamtest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"feedd/internal/selector"
	"feedd/internal/stream"
)

// P3 resume: a reader that presents id N gets every retained item above N that
// the selection matches, once, in order.
var casesP3 = []testCase{
	{rule: "paging from any id gives exactly the retained items, once, in order", run: testP3PagingIsExact},
	{rule: "an item is read as it was published", run: testP3ItemsAsPublished},
	{rule: "one item is returned whatever its size", run: testP3OneItemWhateverItsSize},
	{rule: "a feed that appears later joins a pattern", run: testP3LaterFeedJoinsPattern},
	{rule: "patterns do not match internal feeds", run: testP3PatternsLeaveInternalFeeds},
	{rule: "the zero selection selects nothing", run: testP3ZeroSelection},
}

// Random histories, selections, places and page limits, forward and backward:
// the pages put together are what the model holds. Every page is within its
// limits and moves on, and ends at a position (see badPage).
func testP3PagingIsExact(t *testing.T, s Subject) {
	checkHistories(t, s, func(h *history, q stream.Query) {
		h.t.Helper()
		want := lines(h.model.items(q))
		var got []stream.Item
		for next := q; ; {
			p := h.page(next)
			if p.Through != q.After && p.Through != q.UpTo && !h.model.positions[p.Through] && !given(h.store, p.Through) {
				h.t.Fatalf("Read of %s: Through is %s, which is no position, nor After, nor UpTo", describe(next), p.Through)
			}
			if q.Backward {
				got, next.UpTo = append(p.Items, got...), p.Through
			} else {
				got, next.After = append(got, p.Items...), p.Through
			}
			if !p.More {
				break
			}
		}
		same(h.t, "paging through "+describe(q)+" gives the retained items, once, in order", lines(got), want)
	})
}

// given reports whether the store has told of an item with this id: of another
// history, when a scan over all feeds ended there.
func given(st *store, id stream.ID) bool {
	for _, it := range st.record.items() {
		if it.ID == id {
			return true
		}
	}
	return false
}

// Everything about an item is kept: bytes that are not ASCII, newlines, its
// kind, its event, and when it runs out. OnCommit, all ways to read and an opened
// store agree on it.
func testP3ItemsAsPublished(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	now := st.clock.Now().Add(time.Millisecond) // publish moves the clock before it
	b := stream.Batch{Feed: "a.b-c_1", Drafts: []stream.Draft{
		{Data: []byte("plain")},
		{Data: []byte("two\nlines\r\n\x00, ünïcödé, 日本語, \U0001F600")},
		{Event: "goal", JSON: true, Data: []byte(`{"a":1.0,"b":[null,"\u0000"]}`)},
		{Event: "a.b:c-d_e", TTL: 90 * time.Second, Data: []byte(`"looks like JSON"`)},
		{TTL: 240 * time.Hour, JSON: true, Data: []byte(`"` + strings.Repeat("x", 300_000) + `"`)},
	}}
	rc := st.publish(b)
	want := make([]stream.Item, len(b.Drafts))
	told := st.record.items()
	if len(told) != len(want) {
		t.Fatalf("OnCommit was told of %d items, want %d", len(told), len(want))
	}
	for i, d := range b.Drafts {
		want[i] = stream.Item{ID: rc.First + stream.ID(i), Feed: b.Feed, Event: d.Event, JSON: d.JSON, Data: d.Data}
		// The time is the commit's, so near that of the clock; items of a batch
		// may differ by the microsecond of their ids.
		it := &told[i]
		if d := it.Time.Sub(now); d < 0 || d > time.Millisecond {
			t.Errorf("item %d has the time %v, but was committed at %v", i, it.Time, now)
		}
		if it.Time.Location() != time.UTC || !it.Time.Equal(it.Time.Truncate(time.Microsecond)) {
			t.Errorf("item %d has the time %v, want UTC in microseconds", i, it.Time)
		}
		want[i].Time = it.Time
		if d.TTL > 0 {
			if late := it.Expires.Sub(now.Add(d.TTL)); late < 0 || late > time.Millisecond {
				t.Errorf("item %d runs out at %v, but has a ttl of %v from %v", i, it.Expires, d.TTL, now)
			}
			want[i].Expires = it.Expires
		}
	}
	if !rc.Time.Equal(told[0].Time) {
		t.Errorf("the receipt has the time %v, want that of the first item, %v", rc.Time, told[0].Time)
	}
	check := func() {
		t.Helper()
		for _, selector := range []string{b.Feed, b.Feed + ",other", "**"} {
			q := st.whole(st.sel(selector))
			same(t, "the items of "+selector, st.all(q), want)
			q.Backward = true
			same(t, "the items of "+selector+" backward", st.all(q), want)
		}
	}
	same(t, "the items that OnCommit is told of", told, want)
	check()
	if s.Durable {
		st.reopen()
		check()
	}
}

// A page has one item at least if there is one: else an item larger than
// the page limit would stop every reader for ever.
func testP3OneItemWhateverItsSize(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	large := string(bytes.Repeat([]byte("x"), 100_000))
	st.put("f", "a", large, "b")
	for _, backward := range []bool{false, true} {
		q := st.whole(st.sel("f"))
		q.Backward, q.Bytes = backward, 10
		same(t, "paging by 10 bytes passes the item of 100,000", len(st.all(q)), 3)
	}
}

// A pattern selects by name, so it needs no list of the feeds there are.
func testP3LaterFeedJoinsPattern(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	st.put("sports.football", "a")
	q := st.whole(st.sel("sports.*"))
	p := st.page(q)
	same(t, "what there is", data(p.Items), []string{"a"})
	st.put("sports.tennis", "b")
	st.put("sports.tennis.women", "c")
	st.put("sports", "d")
	next := st.whole(st.sel("sports.*"))
	next.After = p.Through
	same(t, "the later feed that matches", data(st.all(next)), []string{"b"})
	st.holds("** stands for one or more tokens", "sports.**", "a", "b", "c")
}

// Feeds that start with an underscore are feedd's own; they are read by name.
func testP3PatternsLeaveInternalFeeds(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	st.put("_own", "a")
	st.put("f", "b")
	st.holds("a pattern leaves them out", "*", "b")
	st.holds("a pattern leaves them out", "**", "b")
	st.holds("a name does not", "_own", "a")
	st.holds("a name beside a pattern does not", "_own,*", "a", "b")
}

// A Selection that was never set must not show anything.
func testP3ZeroSelection(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxItems: 1})})
	st.put("f", "a", "b")
	p := st.page(st.whole(selector.Selection{}))
	if len(p.Items) > 0 || p.Loss != nil {
		t.Errorf("the zero Selection selects nothing: got %q and loss %+v", lines(p.Items), p.Loss)
	}
}
