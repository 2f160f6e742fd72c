package streamtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"feedd/internal/stream"
)

// Source: how far another server's feed was taken over is committed with its
// items (P2), so that an upstream that goes on from there neither loses nor
// doubles one.
var casesSource = []testCase{
	{rule: "a source is what its last batch said", run: testSourceIsReplaced},
	{rule: "a batch without drafts moves the source, and nothing else", run: testSourceAlone},
	{rule: "a commit that fails before it is written leaves the source", run: testSourceFailedCommit},
	{rule: "a commit of unknown outcome has both the source and the items, or neither", run: testSourceOutcomeUnknown},
	{rule: "a refused batch leaves the source", run: testSourceRefused},
	{rule: "SourceAt waits for batches whose Append was given up", run: testSourceWaits},
	{rule: "sources and their items are there after opening again", durable: true, run: testSourceReopen},
}

// from returns the batch as taken from a source.
func from(b stream.Batch, name, at string) stream.Batch {
	b.Source = stream.Source{Name: name, At: at}
	return b
}

// isAt checks how far a source was taken over.
func (s *store) isAt(rule, name, want string) {
	s.t.Helper()
	at, err := s.SourceAt(context.Background(), name)
	if err != nil {
		s.t.Fatalf("SourceAt of %q: %v", name, err)
	}
	same(s.t, rule+": the source "+name, at, want)
}

// Ids of other servers are any text: those of Wikimedia are JSON of some
// hundred bytes.
func testSourceIsReplaced(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	long := strings.Repeat(`[{"topic":"é","offset":-1}] `, stream.MaxSourceAt/29)
	st.isAt("before the first batch", "u", "")
	for i, at := range []string{"1", long, "", `"`, "2"} {
		st.publish(from(text("f", fmt.Sprint(i)), "u", at))
		st.isAt("after its batch", "u", at)
	}
	st.publish(from(text("f", "other"), strings.Repeat("v", stream.MaxSourceName), "9"))
	st.put("f", "of nobody")
	st.isAt("others do not move it", "u", "2")
	st.isAt("each has its own", strings.Repeat("v", stream.MaxSourceName), "9")
	st.isAt("names are exact", "U", "")
	st.holds("the items are stored", "f", "0", "1", "2", "3", "4", "other", "of nobody")
}

// OnCommit does not tell of it, and it takes no id and makes no feed.
func testSourceAlone(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Feeds: 1})
	a := st.put("f", "a")
	usage := st.Usage()
	for _, feed := range []string{"f", "new"} {
		rc, err := st.Append(context.Background(), from(stream.Batch{Feed: feed}, "u", "to "+feed))
		if err != nil {
			t.Fatalf("Append of a source alone: %v", err)
		}
		same(t, "the receipt counts nothing", rc, stream.Receipt{Feed: feed})
		st.isAt("after a batch without drafts", "u", "to "+feed)
	}
	if head := st.record.newest(); head != a.Last {
		t.Errorf("a source alone moved the head to %s from %s", head, a.Last)
	}
	for _, c := range st.record.told()[1:] {
		same(t, "OnCommit is told of no change", c, stream.Commit{})
	}
	if _, there := st.info("new"); there {
		t.Error("a source alone made a feed")
	}
	now := st.Usage()
	// The WAL and the bytes are measured now and then.
	usage.Bytes, now.Bytes, usage.WAL, now.WAL = 0, 0, 0, 0
	same(t, "the usage, bytes apart", now, usage)
}

func testSourceFailedCommit(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	st.publish(from(text("f", "a"), "u", "1"))
	st.failBefore()
	for _, b := range []stream.Batch{from(text("f", "lost"), "u", "2"), from(stream.Batch{Feed: "f"}, "u", "3")} {
		if rc, err := st.Append(context.Background(), b); !errors.Is(err, errFault) || errors.Is(err, stream.ErrOutcomeUnknown) {
			t.Errorf("Append whose commit fails: got %+v and error %v, want that of the commit", rc, err)
		}
		st.isAt("after a failed commit", "u", "1")
	}
	st.heal()
	if s.Durable {
		st.reopen()
		st.isAt("after a failed commit and opening again", "u", "1")
	}
	st.publish(from(text("f", "b"), "u", "2"))
	st.isAt("after a later batch", "u", "2")
	st.holds("a failed commit stores nothing", "f", "a", "b")
}

// After such an error an upstream asks where its source stands: the answer must
// agree with the items.
func testSourceOutcomeUnknown(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	st.publish(from(text("f", "a"), "u", "1"))
	st.failAfter()
	if rc, err := st.Append(context.Background(), from(text("f", "b"), "u", "2")); !errors.Is(err, stream.ErrOutcomeUnknown) {
		t.Fatalf("Append whose commit fails after it was written: got %+v and error %v, want ErrOutcomeUnknown", rc, err)
	}
	st.heal()
	check := func() {
		t.Helper()
		switch n := len(st.items("f")); n {
		case 1:
			st.isAt("the items are not there", "u", "1")
		case 2:
			st.isAt("the items are there", "u", "2")
		default:
			t.Errorf("there are %d items", n)
		}
	}
	check()
	if s.Durable {
		st.reopen()
		check()
	}
	st.failAfter()
	if _, err := st.Append(context.Background(), from(stream.Batch{Feed: "f"}, "u", "3")); !errors.Is(err, stream.ErrOutcomeUnknown) {
		t.Errorf("Append of a source alone whose commit fails after it was written: error %v, want ErrOutcomeUnknown", err)
	}
}

// A source that moved without its items would be a loss.
func testSourceRefused(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Feeds: 1})
	st.publish(from(text("f", "a"), "u", "1"))
	if _, err := st.Append(context.Background(), from(text("g", "b"), "u", "2")); !errors.Is(err, stream.ErrTooManyFeeds) {
		t.Fatalf("Append to one feed too many: error %v, want ErrTooManyFeeds", err)
	}
	st.isAt("after a refused batch", "u", "1")
}

// Otherwise a batch that is committed only after the question would be taken
// over twice.
func testSourceWaits(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	st.publish(from(text("f", "a"), "u", "1"))
	h := st.holdNext(t)
	ctx, giveUp := context.WithCancel(context.Background())
	waits := st.begin(ctx, from(text("f", "b"), "u", "2"))
	within(t, "the commit begins", h.entered)
	giveUp()
	if ans := within(t, "Append ends with its context", waits); !errors.Is(ans.err, context.Canceled) {
		t.Fatalf("Append whose context ended: %v", ans.err)
	}
	asked := make(chan string, 1)
	go func() {
		at, err := st.SourceAt(context.Background(), "u")
		if err != nil {
			t.Errorf("SourceAt: %v", err)
		}
		asked <- at
	}()
	st.heal()
	h.open()
	same(t, "what was taken before it was asked counts", within(t, "SourceAt answers", asked), "2")
	st.holds("so do its items", "f", "a", "b")
	short, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := st.SourceAt(short, "u"); !errors.Is(err, context.Canceled) {
		t.Errorf("SourceAt with a context that ended: error %v", err)
	}
}

func testSourceReopen(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	var want []string
	for i := range 5 {
		for _, name := range []string{"u", "v"} {
			want = append(want, fmt.Sprint(name, i))
			st.publish(from(text("f", fmt.Sprint(name, i)), name, fmt.Sprint(i)))
		}
		if i == 3 {
			st.publish(text("g", "x"))
			if _, err := st.Append(context.Background(), from(stream.Batch{Feed: "g"}, "w", "alone")); err != nil {
				t.Fatalf("Append of a source alone: %v", err)
			}
		}
		st.reopen()
		st.isAt("after opening again", "u", fmt.Sprint(i))
		st.isAt("after opening again", "v", fmt.Sprint(i))
		st.holds("its items", "f", want...)
	}
	st.isAt("what moved alone stays too", "w", "alone")
}
