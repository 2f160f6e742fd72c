package load

import (
	"context"
	"math"
	"sync/atomic"
	"time"
)

// clock is Unix time in ns that no correction of the system's clock disturbs
// during a run.
type clock struct{ start time.Time }

func newClock() clock { return clock{time.Now()} }

func (c clock) now() int64 { return c.start.UnixNano() + int64(time.Since(c.start)) }

// schedule says when items are published. Publishers take the next one
// whenever they are free, so the number in flight is bounded by theirs, and
// when all of them wait the schedule does not.
type schedule struct {
	clock clock
	from  int64   // of the first item
	until int64   // there are none from here on
	every float64 // ns; 0: one after the other
	next  atomic.Int64
}

func newSchedule(c clock, rate float64, length time.Duration) *schedule {
	s := &schedule{clock: c, from: c.now()}
	s.until = s.from + int64(length)
	if rate > 0 {
		s.every = 1e9 / rate
	}
	return s
}

// take waits for the next item and returns the time that its latency counts
// from: that in the schedule when the publisher came late to it, else that of
// the publish. It is false when there are no more.
func (s *schedule) take(ctx context.Context, timer *time.Timer) (at int64, ok bool) {
	now := s.clock.now()
	if now >= s.until || ctx.Err() != nil {
		return 0, false
	}
	if s.every == 0 {
		return now, true
	}
	due := s.due(s.next.Add(1) - 1)
	switch {
	case due >= s.until:
		return 0, false
	case due <= now:
		return due, true
	}
	timer.Reset(time.Duration(due - now))
	select {
	case <-timer.C:
		// That the timer is late is no fault of the server's.
		return s.clock.now(), true
	case <-ctx.Done():
		return 0, false
	}
}

func (s *schedule) due(k int64) int64 { return s.from + int64(float64(k)*s.every) }

// planned returns how many items are due before a time, 0 when there is no
// rate.
func (s *schedule) planned(before int64) uint64 {
	if s.every == 0 {
		return 0
	}
	before = min(before, s.until)
	return uint64(math.Ceil(float64(max(0, before-s.from)) / s.every))
}
