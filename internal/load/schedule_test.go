package load

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestLatenessOfTheServerCounts: while all publishers wait for the server the
// schedule goes on, and what goes out late counts from its time there.
func TestLatenessOfTheServerCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timer := time.NewTimer(0)
		c := newClock()
		s := newSchedule(c, 10, 2*time.Second)
		take := func() (time.Duration, bool) {
			at, ok := s.take(t.Context(), timer)
			return time.Duration(at - s.from), ok
		}
		mustTake := func(want time.Duration) {
			t.Helper()
			if at, ok := take(); !ok || at != want {
				t.Fatalf("the next item is due at %s, %v; want %s", at, ok, want)
			}
		}
		mustTake(0)
		mustTake(100 * time.Millisecond)
		time.Sleep(350 * time.Millisecond) // of the bubble: an answer that takes its time
		mustTake(200 * time.Millisecond)
		mustTake(300 * time.Millisecond)
		mustTake(400 * time.Millisecond)
		mustTake(500 * time.Millisecond)
		if now := time.Duration(c.now() - s.from); now != 500*time.Millisecond {
			t.Errorf("it is %s, want 500ms: the late ones go out at once", now)
		}
		for range 14 {
			take()
		}
		if at, ok := take(); ok {
			t.Errorf("an item at %s is behind the end", at)
		}
		if n := s.planned(s.until + 1); n != 20 {
			t.Errorf("%d items are planned, want 20", n)
		}
	})
}

func TestWithoutARateItemsFollowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSchedule(newClock(), 0, time.Second)
		for range 100 {
			if at, ok := s.take(t.Context(), nil); !ok || at != s.from {
				t.Fatal("an item waits")
			}
		}
		time.Sleep(time.Second)
		if _, ok := s.take(t.Context(), nil); ok {
			t.Error("an item is behind the end")
		}
	})
}

func TestAnInterruptEndsTheWaitForTheNextItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		s := newSchedule(newClock(), 1, time.Minute)
		timer := time.NewTimer(0)
		s.take(ctx, timer)
		begin := time.Now()
		if _, ok := s.take(ctx, timer); ok || time.Since(begin) != 50*time.Millisecond {
			t.Errorf("it ended after %s, with an item: %v", time.Since(begin), ok)
		}
	})
}
