package streamtest

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"feedd/internal/stream"
)

// The part of P4 that is about the store being replaced: openings are the
// positions that are no items, and the holes before them tell positions of
// another store.
var casesP4Openings = []testCase{
	{rule: "a new store has one opening, below all its ids", run: testP4FirstOpening},
	{rule: "each opening is recorded, and its hole has no ids", durable: true, run: testP4EachOpening},
	{rule: "ids given after a copy was made lie in a hole of the copy", durable: true, run: testP4RestoredCopy},
	{rule: "Floor is the largest known position at or below an id", run: testP4Floor},
}

func init() { casesP4 = append(casesP4, casesP4Openings...) }

// holed reports whether id lies strictly inside the hole of an opening.
func holed(openings []stream.Opening, id stream.ID) bool {
	for _, o := range openings {
		if id > o.Last && id < o.Time {
			return true
		}
	}
	return false
}

// The time of the opening is a position before the first item, and an id of an
// earlier store in this place, which is older, lies in its hole.
func testP4FirstOpening(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	openings := st.Openings()
	if len(openings) != 1 {
		t.Fatalf("a new store has the openings %+v, want one", openings)
	}
	o := openings[0]
	if now := stream.IDAt(st.clock.Now()); o.Last != 0 || o.Time < now {
		t.Errorf("the opening of a new store at %s is %+v, want Last 0 and Time not before the clock", now, o)
	}
	if st.start != o.Time {
		t.Errorf("OnCommit returned %s as the newest position of an empty store, want the time of the opening, %s", st.start, o.Time)
	}
	if rc := st.put("f", "a"); rc.First <= o.Time {
		t.Errorf("the first id is %s, not above the opening at %s", rc.First, o.Time)
	}
	same(t, "the openings do not change while the store is open", st.Openings(), openings)
}

// Last is the newest position before the opening, so that no id that was given
// lies in a hole, and Time is above everything before.
func testP4EachOpening(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{Retention: retain(stream.Retention{MaxItems: 3})})
	before, newest := st.Openings(), st.start
	given := []stream.ID{newest}
	for i := range 4 {
		if i != 2 { // one opening at which nothing had happened
			rc := st.put("f", "a", "b", "c", "d")
			given, newest = append(given, rc.First, rc.First+1, rc.Last), rc.Last
		}
		if i == 3 {
			st.purge("f", 3) // the newest position stays what it was
		}
		st.reopen()
		now := st.Openings()
		if len(now) != len(before)+1 {
			t.Fatalf("opened again, the store has %d openings, want %d", len(now), len(before)+1)
		}
		same(t, "earlier openings stay as they are", now[:len(before)], before)
		o := now[len(before)]
		if o.Last != newest {
			t.Errorf("opening %d has Last %s, want the newest position before it, %s", i+1, o.Last, newest)
		}
		if o.Time <= newest || o.Time < stream.IDAt(st.clock.Now()) {
			t.Errorf("opening %d has Time %s, want one above %s and not before the clock, %s", i+1, o.Time, newest, stream.IDAt(st.clock.Now()))
		}
		if st.start != o.Time {
			t.Errorf("OnCommit returned %s, want the newest position, which is the opening at %s", st.start, o.Time)
		}
		given, newest, before = append(given, o.Time), o.Time, now
		for _, id := range given {
			if holed(now, id) {
				t.Errorf("position %s was given by this store, but lies in a hole of %+v", id, now)
			}
		}
	}
	if rc := st.put("f", "e"); rc.First <= newest {
		t.Errorf("id %s was given after opening at %s", rc.First, newest)
	}
}

// An operator copies the store, goes on with it, and then puts the copy back. The
// items after the copy are gone, and their ids are noticed: they lie in the
// hole of the opening after, for ever.
func testP4RestoredCopy(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	kept := st.put("f", "a", "b")
	st.shut()
	backup := filepath.Join(t.TempDir(), "backup")
	st.copyDir(st.dir, backup)
	st.clock.move(time.Second)
	st.openDir()
	lostOpening := st.start
	gone := st.put("f", "c", "d")
	st.shut()

	st.copyDir(backup, st.dir)
	st.clock.move(time.Minute)
	st.openDir()
	check := func() {
		t.Helper()
		openings := st.Openings()
		for _, id := range []stream.ID{lostOpening, gone.First, gone.Last} {
			if !holed(openings, id) {
				t.Errorf("position %s was given after the copy was made, but lies in no hole of %+v", id, openings)
			}
		}
		for _, id := range []stream.ID{kept.First, kept.Last, st.start} {
			if holed(openings, id) {
				t.Errorf("position %s is in the copy, but lies in a hole of %+v", id, openings)
			}
		}
	}
	st.holds("the copy has what was there when it was made", "f", "a", "b")
	check()
	if rc := st.put("f", "e"); rc.First <= gone.Last {
		t.Errorf("id %s was given after the copy was put back, but ids up to %s had been given", rc.First, gone.Last)
	}
	st.reopen()
	check()
	st.holds("and what came after", "f", "a", "b", "e")
}

// A reader comes with a time, or an id of an item that is gone; the log finds
// a position to stand at from which nothing is skipped.
func testP4Floor(t *testing.T, s Subject) {
	st := open(t, s, stream.StoreOptions{})
	floor := func(id, want stream.ID) {
		t.Helper()
		got, err := st.Floor(context.Background(), id)
		if err != nil {
			t.Fatalf("Floor(%s): %v", id, err)
		}
		if got != want {
			t.Errorf("Floor(%s) = %s, want %s", id, got, want)
		}
	}
	first := st.start
	floor(0, first)
	floor(first-1, first)
	floor(first, first)
	floor(first+1, first)
	floor(stream.MaxID, first)
	a := st.put("f", "a", "b")
	b := st.put("g", "c")
	check := func() {
		t.Helper()
		floor(first, first)
		floor(a.First-1, first)
		floor(a.First, a.First)
		floor(a.Last, a.Last)
		floor(a.Last+1, a.Last)
		floor(b.Last-1, a.Last)
		floor(b.Last, b.Last)
		floor(b.Last+1, b.Last)
	}
	check()
	floor(stream.MaxID, b.Last)
	if s.Durable {
		st.reopen()
		check()
		floor(st.start-1, b.Last)
		floor(st.start, st.start)
		floor(stream.MaxID, st.start)
	}
}
