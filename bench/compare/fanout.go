package main

import (
	"context"
	"fmt"
	"time"

	"feedd/bench/measure"
)

func aboutFanout10k(z *sizes) string {
	return fmt.Sprintf("%s subscribers of one feed, %d items/s of 128 bytes, %s. Latency is from the publish to the moment in which the load had read the item.",
		measure.Number(float64(z.many)), itemsPerSecond, z.lasts)
}

func runFanout10k(b *bench, ctx context.Context, sc *scenario) error {
	return b.giveAll(ctx, sc, b.ofRole(floor, ours, peer), b.sizes.lasts,
		[]string{flagOf("subscribers", b.sizes.many), flagOf("rate", itemsPerSecond)})
}

// again returns who has a turn in the scenarios that do the same to all once
// more. In a short run the peers have shown already that they work.
func (b *bench) again() []server {
	if b.short {
		return b.ofRole(floor, ours)
	}
	return b.ofRole(floor, ours, peer)
}

// lessTime is enough where each second has as many items and fewer
// subscribers.
func lessTime(z *sizes) time.Duration { return z.lasts * 8 / 10 }

func aboutFanout1k(z *sizes) string {
	return fmt.Sprintf("The same with %s subscribers, %s.", measure.Number(float64(z.some)), lessTime(z))
}

func runFanout1k(b *bench, ctx context.Context, sc *scenario) error {
	return b.giveAll(ctx, sc, b.again(), lessTime(&b.sizes),
		[]string{flagOf("subscribers", b.sizes.some), flagOf("rate", itemsPerSecond)})
}

func aboutThroughput(z *sizes) string {
	return fmt.Sprintf("%s items/s are offered to %s subscribers, %s. A server that cannot keep up has fewer deliveries, and either answers publishers late or leaves items out, as its losses say.",
		measure.Number(float64(z.rate)), measure.Number(float64(z.some)), z.lasts)
}

func runThroughput(b *bench, ctx context.Context, sc *scenario) error {
	return b.giveAll(ctx, sc, b.again(), b.sizes.lasts,
		[]string{flagOf("subscribers", b.sizes.some), flagOf("rate", b.sizes.rate)})
}

func aboutUnthrottled(z *sizes) string {
	return fmt.Sprintf("%s subscribers; batches of %d items (NDJSON) are published as fast as they are taken, but never more than %s items before the subscribers have them, on average: so it is the rate that can be kept up.",
		measure.Number(float64(z.some)), z.batch, measure.Number(float64(z.ahead)))
}

func runUnthrottled(b *bench, ctx context.Context, sc *scenario) error {
	return b.giveAll(ctx, sc, b.feedd("feedd-memory"), b.sizes.lasts, []string{
		flagOf("subscribers", b.sizes.some), flagOf("rate", 0), flagOf("batch", b.sizes.batch),
		flagOf("ahead", b.sizes.ahead), flagOf("publishers", 4),
	})
}
