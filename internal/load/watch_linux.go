package load

import (
	"context"
	"time"
)

// enter begins a phase, whose length is 0 if it is not known.
func (r *run) enter(phase string, length time.Duration) {
	r.phase = Progress{Phase: phase, Length: length, Subscribers: r.Subscribers}
	r.phaseBegan = time.Now()
}

// wait waits until a time (0: none), until done returns true, or until ctx ends, and
// reports the progress meanwhile.
func (r *run) wait(ctx context.Context, until int64, done func() bool) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		r.report()
		r.watchStorm()
		if done != nil && done() {
			return
		}
		next := look
		if until > 0 {
			remaining := time.Duration(until - r.clock.now())
			if remaining <= 0 {
				return
			}
			next = min(next, remaining)
		}
		ticker.Reset(next)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// report calls Config.Progress.
func (r *run) report() {
	if r.Progress == nil {
		return
	}
	p := r.phase
	p.Connected = int(r.count(func(c *counters) int64 { return c.connected.Load() }))
	p.Deliveries = r.deliveries()
	if r.outlet != nil {
		p.Published = r.outlet.acked[r.Feeds].Load()
	}
	p.Elapsed = time.Since(r.phaseBegan)
	r.Progress(p)
}

// watchStorm ends the storm when all have recovered.
func (r *run) watchStorm() {
	if !r.storming {
		return
	}
	away := r.count(func(c *counters) int64 { return c.away.Load() })
	back := r.count(func(c *counters) int64 { return c.recovered.Load() })
	if back >= away {
		r.storming = false
		r.each((*reader).calmDown)
	}
}

// count adds up over the readers.
func (r *run) count(of func(*counters) int64) (n int64) {
	for _, rd := range r.readers {
		n += of(&rd.counters)
	}
	return n
}

func (r *run) fresh() uint64 {
	return uint64(r.count(func(c *counters) int64 { return int64(c.fresh.Load()) }))
}

// deliveries returns how many items came; of those that others publish, every
// event counts.
func (r *run) deliveries() uint64 {
	if r.anyRun {
		return uint64(r.count(func(c *counters) int64 { return int64(c.events.Load()) }))
	}
	return r.fresh()
}

func (r *run) sample() (s sample, err error) {
	s.at = r.clock.now()
	s.deliveries = r.deliveries()
	s.bytes = uint64(r.count(func(c *counters) int64 { return int64(c.bytes.Load()) }))
	if s.server, err = usageOf(r.PIDs); err != nil {
		return s, err
	}
	s.own, err = ownUsage()
	return s, err
}
