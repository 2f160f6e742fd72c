package publish_test

import (
	"testing"
	"time"

	"feedd/internal/publish"
)

// What came of a body decides how long the rest may take.
func TestPace(t *testing.T) {
	t.Parallel()
	begin := time.Unix(1_000_000, 0)
	bodies := publish.NewBodies(0, 10*time.Second, time.Second)
	p := bodies.Pace()
	for _, c := range []struct {
		after, want time.Duration // since the beginning; want 0: as before
		got         int
	}{
		{0, 10 * time.Second, 0},
		{500 * time.Millisecond, 0, 1000},
		{5 * time.Second, 15 * time.Second, 2000},
		{55 * time.Second, 60 * time.Second, 3000},            // a byte now and then is not enough
		{58 * time.Second, 68 * time.Second, 160 << 10},       // ten seconds' worth more
		{300 * time.Second, 310 * time.Second, 16 << 20},      // a large body over a slow line
		{1080 * time.Second, 1084 * time.Second, 16 << 20},    // which ends as well
		{1083 * time.Second, 1084 * time.Second, 16<<20 + 12}, // whatever comes
	} {
		at, changed := p.Deadline(begin.Add(c.after), c.got)
		if !changed {
			at = begin
		}
		if got := at.Sub(begin).Truncate(time.Second); got != c.want {
			t.Errorf("%v after the beginning, with %d bytes, it may last until %v, want %v", c.after, c.got, got, c.want)
		}
	}
}
