package main

import (
	"context"
	"errors"
	"fmt"

	"feedd/bench/measure"
	"feedd/internal/load"
)

var (
	publishCPU  = metric{name: "CPU a publish", unit: "us"}
	deliveryCPU = metric{name: "CPU a delivery, publishing apart", unit: "us"}
)

// The rows of the scenario.
const (
	onlyPublishing = "publishing alone"
	oneFeedMany    = "one feed, as many subscribers as feeds"
	manyFeeds      = "many feeds, a subscriber each"
	oneFeedSome    = "one feed, as many subscribers as of the pattern"
	somePattern    = "a pattern over many feeds"
)

func aboutFeeds(z *sizes) string {
	return fmt.Sprintf("feedd, memory. %s feeds with a subscriber each, and %s items/s on feeds taken at random, one by one: as many deliveries a second. Beside it one feed with %s subscribers and as many deliveries a second, which takes %.3g items/s. "+
		"Likewise %s subscribers of a pattern over %s feeds that have %d items/s together, beside %s subscribers of one feed that has as many. "+
		"A publish costs far more than a delivery, and the first run has one for each; so what publishing takes is measured by itself, with the same items and no subscribers, and in every run its cost for each item is taken off.",
		measure.Number(float64(z.feeds)), measure.Number(float64(z.feedsRate)), measure.Number(float64(z.feeds)), float64(z.feedsRate)/float64(z.feeds),
		measure.Number(float64(z.some)), measure.Number(float64(z.feeds)), z.patternRate, measure.Number(float64(z.some)))
}

func runFeeds(b *bench, ctx context.Context, sc *scenario) error {
	z := &b.sizes
	var costs float64 // of a publish, in seconds
	runs := []struct {
		row   string
		flags []string
	}{
		{onlyPublishing, []string{flagOf("subscribers", 0), flagOf("feeds", z.feeds), flagOf("rate", z.feedsRate)}},
		{oneFeedMany, []string{flagOf("subscribers", z.feeds), flagOf("rate", float64(z.feedsRate)/float64(z.feeds))}},
		{manyFeeds, []string{flagOf("subscribers", z.feeds), flagOf("feeds", z.feeds), flagOf("rate", z.feedsRate)}},
		{oneFeedSome, []string{flagOf("subscribers", z.some), flagOf("rate", z.patternRate)}},
		{somePattern, []string{flagOf("subscribers", z.some), flagOf("feeds", z.feeds), flagOf("rate", z.patternRate), "--pattern=bench.*"}},
	}
	for _, s := range b.feedd("feedd-memory") {
		for _, run := range runs {
			err := b.giveOne(ctx, sc, s, run.row, nil, func(t *turn) error {
				all := append([]string{flagOf("duration", z.lasts), flagOf("warmup", z.warmup+z.warmup/2)}, run.flags...)
				r, err := b.load(ctx, t.process, z.lasts+2*z.warmup, all...)
				if err != nil {
					return err
				}
				if r.Publish == nil || r.Server == nil {
					return errNoReport
				}
				switch {
				case run.row == onlyPublishing:
					costs = cpuSeconds(r) / float64(max(1, r.Publish.Items))
					t.file(publishCPU, 1e6*costs)
				case costs == 0:
					return errors.New("what publishing takes could not be measured")
				default:
					t.file(deliveryCPU, 1e6*apart(cpuSeconds(r), costs, r.Publish.Items, r.Deliveries.Count))
					t.file(deliveries, r.Deliveries.PerSecond)
					t.fileLatency(r)
				}
				t.fileFaults(r)
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func cpuSeconds(r *load.Report) float64 { return r.Server.UserSeconds + r.Server.SystemSeconds }

// apart returns the seconds that a delivery took, when each publish took costs.
func apart(cpu, costs float64, items, deliveries uint64) float64 {
	if deliveries == 0 {
		return 0
	}
	return (cpu - costs*float64(items)) / float64(deliveries)
}
