package streamtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"feedd/internal/stream"
)

// P2 ack: Append returns nil only when the batch is committed, and no reader
// sees an item before that.
var casesP2 = []testCase{
	{rule: "an acknowledged item was told to OnCommit and is readable", run: testP2ToldBeforeAnswered},
	{rule: "no reader sees an item before its commit, nor waits for it", run: testP2NothingBeforeCommit},
	{rule: "a commit that fails before it is written stores nothing", run: testP2FailedCommitStoresNothing},
	{rule: "a commit that fails after it was written is of unknown outcome, and a retry settles it", run: testP2OutcomeUnknown},
	{rule: "the end of the context ends the wait only", run: testP2ContextEndsWait},
	{rule: "Close commits and answers the batches that were taken", run: testP2CloseAnswers},
	{rule: "what was acknowledged is there after opening again", durable: true, run: testP2AcknowledgedStays},
}

// OnCommit comes before the answer, so that a publisher who is answered and then
// reads at the head finds its own item.
func testP2ToldBeforeAnswered(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	for _, d := range []string{"a", "b", "c", "d", "e"} {
		rc := st.put("f", d)
		if head := st.record.newest(); head != rc.Last {
			t.Fatalf("Append returned id %s, but the newest item that OnCommit was told of then is %s", rc.Last, head)
		}
		q := st.whole(st.sel("f"))
		q.After, q.UpTo = rc.First-1, rc.Last
		same(t, "the item is readable once Append returned", data(st.all(q)), []string{d})
	}
}

// While a commit has not happened its items are neither readable nor told.
// Readers do not wait for it: a slow disk must not stop who only reads.
func testP2NothingBeforeCommit(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	st.put("f", "a")
	h := st.holdNext(t)
	waits := st.begin(context.Background(), text("f", "b"))
	within(t, "the commit begins", h.entered)

	for _, selector := range []string{"f", "f,g", "*"} {
		for _, backward := range []bool{false, true} {
			q := st.whole(st.sel(selector))
			q.UpTo, q.Backward = stream.MaxID, backward
			pages := make(chan stream.Page, 1)
			go func() {
				p, err := st.Read(context.Background(), q)
				if err != nil {
					t.Errorf("Read while a commit is held: %v", err)
				}
				pages <- p
			}()
			p := within(t, "Read returns while a commit is held", pages)
			same(t, "a reader sees committed items only: "+describe(q), data(p.Items), []string{"a"})
		}
	}
	states := make(chan []stream.FeedInfo, 1)
	all := st.sel("**")
	go func() {
		infos, err := st.Feeds(context.Background(), all)
		if err != nil {
			t.Errorf("Feeds while a commit is held: %v", err)
		}
		if _, err := st.Floor(context.Background(), stream.MaxID); err != nil {
			t.Errorf("Floor while a commit is held: %v", err)
		}
		states <- infos
	}()
	infos := within(t, "Feeds and Floor return while a commit is held", states)
	if len(infos) != 1 || infos[0].Items != 1 {
		t.Errorf("the state of the feeds counts committed items only: got %+v, want one feed with one item", infos)
	}
	same(t, "OnCommit is told of committed items only", data(st.record.items()), []string{"a"})

	h.open()
	if ans := within(t, "Append is answered once the commit may happen", waits); ans.err != nil {
		t.Fatalf("Append: %v", ans.err)
	}
	st.holds("the item is there once it is committed", "f", "a", "b")
}

// A commit that failed before anything was written leaves nothing behind: no
// item, no key, no notice, neither now nor after opening again. The next one
// is not hindered.
func testP2FailedCommitStoresNothing(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	a := st.put("f", "a")
	st.failBefore()
	for _, b := range []stream.Batch{text("f", "lost"), text("new", "lost"), keyed(text("f", "k1", "k2"), "key")} {
		rc, err := st.Append(context.Background(), b)
		if !errors.Is(err, errFault) {
			t.Errorf("Append whose commit fails: got %+v and error %v, want an error that wraps the one of the commit", rc, err)
		}
		if errors.Is(err, stream.ErrOutcomeUnknown) {
			t.Errorf("Append whose commit fails before it is written: %v, but the outcome is known", err)
		}
	}
	st.heal()
	check := func() {
		t.Helper()
		st.holds("a failed commit stores nothing", "**", "a")
		if _, ok := st.info("new"); ok {
			t.Error("a failed commit made a feed")
		}
	}
	check()
	same(t, "OnCommit is not told of failed commits", data(st.record.items()), []string{"a"})
	if s.Durable {
		st.reopen()
		check()
	}
	k := st.publish(keyed(text("f", "k1", "k2"), "key"))
	if k.Replayed || k.First <= a.Last {
		t.Errorf("the retry after a failed commit: got %+v, want it stored anew, above %s", k, a.Last)
	}
	st.holds("a later publish works", "f", "a", "k1", "k2")
}

// A store that fails in the middle of a commit cannot say what happened. It
// says so, and a retry with the same key gets the receipt of the one copy.
func testP2OutcomeUnknown(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	st.put("f", "a")
	b := keyed(text("f", "b1", "b2"), "key")
	st.failAfter()
	if rc, err := st.Append(context.Background(), b); !errors.Is(err, stream.ErrOutcomeUnknown) {
		t.Fatalf("Append whose commit fails after it was written: got %+v and error %v, want ErrOutcomeUnknown", rc, err)
	}
	st.heal()
	rc := st.publish(b)
	q := st.whole(st.sel("f"))
	q.After = rc.First - 1
	same(t, "the receipt of the retry names the stored items", data(st.all(q)), []string{"b1", "b2"})
	same(t, "OnCommit was told of the batch once, when the retry was answered", data(st.record.items()), []string{"a", "b1", "b2"})
	st.put("f", "c")
	again := st.publish(b)
	if !again.Replayed || again.First != rc.First || again.Last != rc.Last {
		t.Errorf("a second retry: got %+v, want the receipt %+v, replayed", again, rc)
	}
	st.holds("there is exactly one copy", "f", "a", "b1", "b2", "c")
	if s.Durable {
		st.reopen()
		st.holds("there is exactly one copy after opening again", "f", "a", "b1", "b2", "c")
	}
}

// A cancelled request ends its wait, also while its own batch is being
// committed. The batch is then stored once or not at all; a retry with its key
// settles it. Until the log has done with it, it says so: what the batch holds is
// not free before.
func testP2ContextEndsWait(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	h := st.holdNext(t)
	ctx, cancel := context.WithCancel(context.Background())
	batches := []stream.Batch{keyed(text("f", "a"), "a"), keyed(text("f", "b"), "b"), keyed(text("g", "c"), "c")}
	var waits []<-chan answer
	for i, b := range batches {
		waits = append(waits, st.begin(ctx, b))
		if i == 0 {
			within(t, "the commit begins", h.entered)
		}
	}
	cancel()
	var held []<-chan struct{}
	for i, c := range waits {
		ans := within(t, "a cancelled Append returns while the commit is held", c)
		if !errors.Is(ans.err, context.Canceled) {
			t.Errorf("cancelled Append %d: got %+v and error %v, want context.Canceled", i, ans.receipt, ans.err)
		}
		// A log that takes one batch at a time holds none of the others.
		if e := new(stream.UnfinishedError); errors.As(ans.err, &e) {
			held = append(held, e.Done)
		} else if i == 0 {
			t.Errorf("Append of the batch that is being committed: error %v, want an UnfinishedError", ans.err)
		}
	}
	for _, done := range held {
		select {
		case <-done:
			t.Error("the log says to hold nothing of a batch while its commit is held")
		default:
		}
	}
	short, stop := context.WithTimeout(context.Background(), time.Millisecond)
	defer stop()
	if _, err := st.Append(short, text("f", "late")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Append with a deadline while a commit is held: error %v, want context.DeadlineExceeded", err)
	}
	st.heal()
	h.open()
	for _, done := range held {
		within(t, "the log has done with a cancelled batch", done)
	}
	for _, b := range batches {
		st.publish(b)
	}
	counts := map[string]int{}
	for _, d := range data(st.items("**")) {
		counts[d]++
	}
	if counts["late"] > 1 {
		t.Errorf("the batch whose deadline passed is stored %d times", counts["late"])
	}
	delete(counts, "late")
	same(t, "after a retry with its key each cancelled batch is stored once", counts, map[string]int{"a": 1, "b": 1, "c": 1})
}

// A publish in flight when the store is closed is committed and answered, or
// refused with ErrClosed and not stored. The one in the commit is answered.
func testP2CloseAnswers(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	h := st.holdNext(t)
	taken := st.begin(context.Background(), text("f", "taken"))
	within(t, "the commit begins", h.entered)
	queued := st.begin(context.Background(), text("f", "queued"))
	closed := make(chan error, 1)
	go func() { closed <- st.Close() }()
	// That Close waits can only be seen by giving it the time not to.
	hasty := time.NewTimer(20 * time.Millisecond)
	defer hasty.Stop()
	select {
	case err := <-closed:
		t.Errorf("Close returned (error %v) while a batch was being committed", err)
		closed <- err
	case <-hasty.C:
	}
	st.heal()
	h.open()
	var want []string
	if ans := within(t, "the batch in the commit is answered", taken); ans.err != nil {
		t.Errorf("Append of a batch that was in the commit when the store was closed: %v", ans.err)
	}
	want = append(want, "taken")
	switch ans := within(t, "the batch that waits is answered", queued); {
	case ans.err == nil:
		want = append(want, "queued")
	case !errors.Is(ans.err, stream.ErrClosed):
		t.Errorf("Append of a batch that waited when the store was closed: error %v, want none or ErrClosed", ans.err)
	}
	if err := within(t, "Close returns", closed); err != nil {
		t.Errorf("Close: %v", err)
	}
	same(t, "what was answered with success was told, and nothing else", data(st.record.items()), want)
	if s.Durable {
		st.reopen()
		st.holds("what was answered with success is stored, and nothing else", "f", want...)
	}
}

// Every acknowledged item is there after each opening, as it was.
func testP2AcknowledgedStays(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	var want []stream.Item
	for range 3 {
		appendConcurrently(t, st, 4, 3)
		want = append(want, st.record.items()...)
		st.reopen()
		same(t, "the items that were acknowledged", st.items("**"), want)
	}
}
