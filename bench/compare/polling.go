package main

import (
	"context"
	"fmt"
	"time"
)

var (
	lastHad      = metric{name: "until the last had an item", unit: "ms"}
	residentThen = metric{name: "the same when all had been answered, and waited again", unit: "KiB"}
)

func aboutPolling(z *sizes) string {
	return fmt.Sprintf("%s clients that wait for a JSON page (wait=25s), each on a connection that it keeps, at %s items/s; whoever is answered waits again after %s. Then the same number of SSE subscribers of the same process. The time is from a publish until the last client had the whole answer, or event; of the items of a round it is the median.",
		number(float64(z.pollers)), number(z.pollRate), z.pollPause)
}

// pollRow and streamRow are what the figures of a server are filed under.
func pollRow(s server) string   { return s.title + ": pages" }
func streamRow(s server) string { return s.title + ": streams" }

func runPolling(b *bench, ctx context.Context, sc *scenario) error {
	z := &b.sizes
	first := time.Duration(float64(time.Second) / z.pollRate) // the warmup: an item
	load := []string{
		flagOf("subscribers", z.pollers), flagOf("rate", z.pollRate), flagOf("duration", z.pollLasts), flagOf("warmup", first),
	}
	for _, s := range b.ofRole(ours) {
		err := b.giveOne(ctx, sc, s, pollRow(s), nil, func(t *turn) error {
			// The pages first: the memory of a process that has done nothing yet.
			pages, err := b.load(ctx, t.process, z.pollLasts+first, append(load, "--format=json", flagOf("pause", z.pollPause))...)
			if err != nil {
				return err
			}
			if pages.Latency == nil || pages.Latency.Last == nil || pages.Server == nil {
				return errNoReport
			}
			t.file(lastHad, pages.Latency.Last.P50)
			t.file(residentEach, pages.Server.PerSubscriber/1024)
			t.file(residentThen, float64(pages.Server.End-pages.Server.Before)/1024/float64(z.pollers))
			t.fileCPU(pages)
			t.fileFaults(pages)
			streams, err := b.load(ctx, t.process, z.pollLasts+first, load...)
			if err != nil {
				return err
			}
			if streams.Latency == nil || streams.Latency.Last == nil {
				return errNoReport
			}
			t.row = streamRow(s)
			t.file(lastHad, streams.Latency.Last.P50)
			t.fileCPU(streams)
			t.fileFaults(streams)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
