package main

import (
	"context"
	"fmt"
	"time"

	"feedd/bench/measure"
)

var (
	notWhole  = metric{name: "had not everything", worst: true}
	recovered = metric{name: "until the last had everything", unit: "s"}
	p99Stayed = metric{name: "p99 of those who stayed, meanwhile", unit: "ms"}
)

// stormTime is how long publishing goes on: the subscribers drop at half time,
// and are back before the end.
func stormTime(z *sizes) time.Duration { return 2*z.away + 2*time.Second }

func aboutStorm(z *sizes) string {
	return fmt.Sprintf("%s subscribers at %d items/s; all but %s drop together, and come back together %s later, each with the id of the last item that it had: about %.0f items old. The time counts from their coming back.",
		measure.Number(float64(z.many)), itemsPerSecond, measure.Number(float64(z.stay)), z.away, itemsPerSecond*z.away.Seconds())
}

func runStorm(b *bench, ctx context.Context, sc *scenario) error {
	z := &b.sizes
	return b.give(ctx, sc, b.ofRole(ours), nil, func(t *turn) error {
		r, err := b.load(ctx, t.process, stormTime(z),
			flagOf("subscribers", z.many), flagOf("rate", itemsPerSecond), "--reconnect", flagOf("stay", z.stay),
			flagOf("away", z.away), flagOf("duration", stormTime(z)), flagOf("warmup", z.warmup), "--patience=10s")
		if err != nil {
			return err
		}
		s := r.Storm
		if s == nil || s.Calm == nil {
			return errNoReport
		}
		t.file(notWhole, float64(s.Dropped-s.Recovered))
		t.file(recovered, s.Took.Max/1000)
		t.file(p99Stayed, s.Calm.P99)
		t.fileFaults(r)
		return nil
	})
}
