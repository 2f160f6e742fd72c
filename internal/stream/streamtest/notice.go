package streamtest

import (
	"context"
	"slices"
	"testing"
	"time"

	"feedd/internal/stream"
)

// Notice: the hub's windows hold items, so they are told of what is taken out
// of the store by an operator's will.
var casesNotice = []testCase{
	{rule: "trimming is told, up to which id, with the commit that does it", run: testNoticeTrim},
	{rule: "a purge is told, up to which id, before it returns", run: testNoticePurge},
	{rule: "a delete is told before it returns", run: testNoticeDelete},
	{rule: "items that ran out are told when they are swept", run: testNoticeExpiry},
}

// removals returns what OnCommit was told of, purges and removals.
func (s *store) removals() (purged, removed []stream.Removal) {
	for _, c := range s.record.told() {
		purged, removed = append(purged, c.Purged...), append(removed, c.Removed...)
	}
	return purged, removed
}

// A reader that resumes below what was trimmed must not be served from a window
// that still holds it: it is to be told of the loss.
func testNoticeTrim(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxItems: 2})})
	rc := st.put("f", "a", "b", "c")
	st.put("g", "d")
	e := st.put("f", "e")
	var trimmed []stream.Removal
	for _, c := range st.record.told() {
		trimmed = append(trimmed, c.Trimmed...)
	}
	same(t, "what was trimmed", trimmed, []stream.Removal{{Feed: "f", ID: rc.First}, {Feed: "f", ID: rc.First + 1}})
	if e.First <= rc.Last {
		t.Errorf("id %s after %s", e.First, rc.Last)
	}
}

// A client that purged a feed and then reads it must find it empty, also if it
// is read from a window. Items that are published later are not meant.
func testNoticePurge(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	rc := st.put("f", "a", "b")
	st.put("g", "c")
	st.purge("f", 2)
	purged, removed := st.removals()
	same(t, "the purge of f", purged, []stream.Removal{{Feed: "f", ID: rc.Last}})
	same(t, "single removals", removed, nil)
	d := st.put("f", "d")
	st.purge("f", 1)
	purged, _ = st.removals()
	same(t, "both purges of f", purged, []stream.Removal{{Feed: "f", ID: rc.Last}, {Feed: "f", ID: d.Last}})
}

// A client that deleted an item and then reads the feed must not find it.
func testNoticeDelete(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	rc := st.put("f", "a", "b", "c")
	st.remove("f", rc.First+1)
	want := []stream.Removal{{Feed: "f", ID: rc.First + 1}}
	purged, removed := st.removals()
	same(t, "the deleted item", removed, want)
	same(t, "purges", purged, nil)
	if ok, err := st.Delete(context.Background(), "f", rc.First+1); ok || err != nil {
		t.Errorf("a second Delete: got %v and error %v", ok, err)
	}
	_, removed = st.removals()
	same(t, "a delete of nothing is not told", removed, want)
}

// A window leaves out what ran out by itself; it is told so that it can give
// the memory back.
func testNoticeExpiry(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	var want []stream.Removal
	for i := range 6 {
		b := text([]string{"f", "g"}[i%2], "x", "y")
		b.Drafts[1].TTL = time.Minute
		rc := st.publish(b)
		want = append(want, stream.Removal{Feed: b.Feed, ID: rc.Last})
	}
	st.clock.move(2 * time.Minute)
	var removed []stream.Removal
	eventually(t, "items that ran out are told as removed", func() bool {
		_, removed = st.removals()
		return len(removed) >= len(want)
	})
	slices.SortFunc(removed, func(a, b stream.Removal) int { return int(a.ID - b.ID) })
	same(t, "the items that ran out, each once", removed, want)
	purged, _ := st.removals()
	same(t, "purges", purged, nil)
}
