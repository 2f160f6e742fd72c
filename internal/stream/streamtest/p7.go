package streamtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"feedd/internal/stream"
)

// P7 safe retry: a batch repeated with the same key is stored once and gets the
// first receipt again.
var casesP7 = []testCase{
	{rule: "a repeat gets the first receipt again, and nothing is stored", run: testP7RepeatIsReplayed},
	{rule: "a key with other drafts is refused, and nothing is stored", run: testP7OtherContentRefused},
	{rule: "the scope of a key is its feed", run: testP7ScopeIsFeed},
	{rule: "a repeat while the first is being committed joins it", run: testP7RepeatJoins},
	{rule: "a repeat while the first fails is not told of success", run: testP7RepeatOfFailed},
	{rule: "a key outlives its items", run: testP7KeyOutlivesItems},
	{rule: "a key is forgotten after KeyAge", run: testP7KeyAge},
	{rule: "a repeat is replayed after opening again", durable: true, run: testP7Reopen},
}

// replayed repeats a batch and checks that it gets the first receipt.
func (s *store) replayed(b stream.Batch, first stream.Receipt) {
	s.t.Helper()
	first.Replayed = true
	same(s.t, "a repeat gets the first receipt with Replayed", s.publish(b), first)
}

// One key covers a whole batch: all of it is repeated, or nothing.
func testP7RepeatIsReplayed(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	one, many := keyed(text("f", "a"), "k1"), keyed(text("f", "b", "c", "d"), "k2")
	rc1 := st.publish(one)
	rc2 := st.publish(many)
	if rc1.Replayed || rc2.Replayed {
		t.Errorf("the first use of a key says Replayed: %+v, %+v", rc1, rc2)
	}
	st.put("f", "e")
	st.replayed(many, rc2)
	st.replayed(one, rc1)
	st.replayed(one, rc1)
	st.holds("repeats store nothing", "f", "a", "b", "c", "d", "e")
	same(t, "OnCommit is not told of repeats", len(st.record.items()), 5)
}

// The same key with another body, event, ttl or kind is a publisher's mistake:
// it must not be taken for a repeat, and it is not stored.
func testP7OtherContentRefused(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	first := stream.Batch{Feed: "f", Key: "k", Drafts: []stream.Draft{{Event: "goal", TTL: time.Hour, Data: []byte(`"a"`)}}}
	rc := st.publish(first)
	for what, change := range map[string]func(b *stream.Batch){
		"body":            func(b *stream.Batch) { b.Drafts[0].Data = []byte(`"b"`) },
		"event":           func(b *stream.Batch) { b.Drafts[0].Event = "card" },
		"no event":        func(b *stream.Batch) { b.Drafts[0].Event = "" },
		"ttl":             func(b *stream.Batch) { b.Drafts[0].TTL = time.Minute },
		"kind":            func(b *stream.Batch) { b.Drafts[0].JSON = true },
		"number of items": func(b *stream.Batch) { b.Drafts = append(b.Drafts, b.Drafts[0]) },
	} {
		b := stream.Batch{Feed: "f", Key: "k", Drafts: []stream.Draft{first.Drafts[0]}}
		change(&b)
		if got, err := st.Append(context.Background(), b); !errors.Is(err, stream.ErrKeyReused) {
			t.Errorf("the same key with another %s: got %+v and error %v, want ErrKeyReused", what, got, err)
		}
	}
	st.holds("nothing was stored by them", "f", `"a"`)
	st.replayed(first, rc)
}

// Publishers of different feeds do not know of each other's keys.
func testP7ScopeIsFeed(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	f, g := keyed(text("f", "a"), "k"), keyed(text("g", "b"), "k")
	rcF, rcG := st.publish(f), st.publish(g)
	if rcG.Replayed {
		t.Errorf("a key that was used in another feed: got %+v, want it stored", rcG)
	}
	st.replayed(f, rcF)
	st.replayed(g, rcG)
	st.holds("each feed has its own", "f,g", "a", "b")
}

// A client whose request timed out sends it again at once. The repeats wait
// for the first and share its outcome: one copy, and all but one replayed.
func testP7RepeatJoins(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	b := keyed(text("f", "a1", "a2"), "k")
	h := st.holdNext(t)
	waits := []<-chan answer{st.begin(context.Background(), b)}
	within(t, "the commit begins", h.entered)
	waits = append(waits, st.begin(context.Background(), b), st.begin(context.Background(), b))
	other := st.begin(context.Background(), keyed(text("f", "b"), "k"))
	st.heal()
	h.open()
	firsts := 0
	var rc stream.Receipt
	for _, c := range waits {
		ans := within(t, "an Append is answered", c)
		if ans.err != nil {
			t.Fatalf("Append of a repeat: %v", ans.err)
		}
		if !ans.receipt.Replayed {
			firsts++
		}
		ans.receipt.Replayed = false
		if rc.Count == 0 {
			rc = ans.receipt
		}
		same(t, "all repeats get the same receipt", ans.receipt, rc)
	}
	if firsts != 1 {
		t.Errorf("%d of %d repeats say that they stored the batch, want 1", firsts, len(waits))
	}
	if ans := within(t, "the Append with other drafts is answered", other); !errors.Is(ans.err, stream.ErrKeyReused) {
		t.Errorf("the same key with another body while the first is being committed: got %+v and error %v, want ErrKeyReused", ans.receipt, ans.err)
	}
	st.holds("one copy is stored", "f", "a1", "a2")
}

// When the first fails, a repeat that waited for it fails too or is stored
// itself. What it is told is what is there.
func testP7RepeatOfFailed(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	b := keyed(text("f", "a"), "k")
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	st.hooks.set(func() error {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-leave
		return errFault
	}, nil)
	first := st.begin(context.Background(), b)
	within(t, "the commit begins", entered)
	repeat := st.begin(context.Background(), b)
	st.heal()
	close(leave)
	if ans := within(t, "the first is answered", first); !errors.Is(ans.err, errFault) {
		t.Errorf("Append whose commit fails: got %+v and error %v, want the error of the commit", ans.receipt, ans.err)
	}
	var want []string
	switch ans := within(t, "the repeat is answered", repeat); {
	case ans.err == nil && ans.receipt.Replayed:
		t.Errorf("a repeat of a batch that was never stored got %+v", ans.receipt)
	case ans.err == nil:
		want = []string{"a"}
	case !errors.Is(ans.err, errFault):
		t.Errorf("a repeat of a batch whose commit fails: error %v, want the error of the commit", ans.err)
	}
	st.holds("the answer of the repeat says what is stored", "f", want...)
	st.publish(b)
	st.holds("a later retry settles it", "f", "a")
}

// The key stands for the publish, not for the item: a repeat of what was
// trimmed, purged or deleted meanwhile does not bring it back.
func testP7KeyOutlivesItems(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxItems: 2})})
	trimmed, purged, deleted := keyed(text("t", "a"), "k"), keyed(text("p", "a"), "k"), keyed(text("d", "a"), "k")
	rcT, rcP, rcD := st.publish(trimmed), st.publish(purged), st.publish(deleted)
	st.put("t", "b", "c")
	st.purge("p", 1)
	st.remove("d", rcD.First)
	check := func() {
		t.Helper()
		st.replayed(trimmed, rcT)
		st.replayed(purged, rcP)
		st.replayed(deleted, rcD)
		st.holds("repeats bring nothing back", "*", "b", "c")
	}
	check()
	if s.Durable {
		st.reopen()
		check()
	}
}

// Keys are remembered for KeyAge and then given back, so that they are bounded
// also without publishes.
func testP7KeyAge(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{KeyAge: time.Hour})
	b := keyed(text("f", "a"), "k")
	rc := st.publish(b)
	st.clock.move(50 * time.Minute)
	st.replayed(b, rc)
	st.clock.move(20 * time.Minute)
	if again := st.publish(b); again.Replayed || again.First <= rc.Last {
		t.Errorf("the key is older than KeyAge: got %+v, want it stored anew", again)
	}
	st.holds("it is stored a second time", "f", "a", "a")
	st.clock.move(2 * time.Hour)
	eventually(t, "keys older than KeyAge are given back without publishes", func() bool { return st.Usage().Keys == 0 })
}

// A publisher that was cut off by a restart retries like any other.
func testP7Reopen(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{KeyAge: time.Hour, Keys: 50})
	var batches []stream.Batch
	var receipts []stream.Receipt
	for i := range 10 {
		b := keyed(text("f", fmt.Sprint(i), "x"), fmt.Sprint("k", i))
		batches, receipts = append(batches, b), append(receipts, st.publish(b))
	}
	for range 2 {
		st.reopen()
		for i, b := range batches {
			st.replayed(b, receipts[i])
		}
		if _, err := st.Append(context.Background(), keyed(text("f", "other"), "k3")); !errors.Is(err, stream.ErrKeyReused) {
			t.Errorf("another body under a key from before the opening: error %v, want ErrKeyReused", err)
		}
	}
	same(t, "the number of items", len(st.items("f")), 20)
	st.clock.move(2 * time.Hour)
	st.reopen()
	if rc := st.publish(batches[0]); rc.Replayed {
		t.Errorf("the key is older than KeyAge: got %+v after opening again, want it stored anew", rc)
	}
}
