package main

import (
	"context"
	"fmt"

	"feedd/bench/measure"
	"feedd/internal/load"
)

var (
	lastHad      = metric{name: "until the last had the item", unit: "ms"}
	residentThen = metric{name: "the same the last time", unit: "KiB"}
)

func aboutPolling(z *sizes) string {
	return fmt.Sprintf("%s clients wait for a JSON page (wait=25s), each on a connection that it keeps; one item is published, and nobody asks again. Then as many SSE subscribers of the same process wait for one. That %d times in turn, and a figure is the median of all. The time is from the publish until the last client had the whole answer, or event.",
		measure.Number(float64(z.pollers)), z.pollTimes)
}

// pollRow and streamRow are what the figures of a server are filed under.
func pollRow(s server) string   { return s.title + ": pages" }
func streamRow(s server) string { return s.title + ": streams" }

// oneItem is a load with one item: the next would come when it is over.
var oneItem = []string{"--rate=0.5", "--duration=1s", "--warmup=0s"}

func runPolling(b *bench, ctx context.Context, sc *scenario) error {
	for _, s := range b.ofRole(ours) {
		if err := b.giveOne(ctx, sc, s, pollRow(s), nil, func(t *turn) error { return t.poll(s) }); err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) poll(s server) error {
	flags := append([]string{flagOf("subscribers", t.sizes.pollers)}, oneItem...)
	begin := residentOf(t.pids)
	for i := range t.sizes.pollTimes {
		t.row = pollRow(s)
		r, err := t.onePoll(append(flags, "--format=json", "--pause=1h"))
		if err != nil {
			return err
		}
		each := (float64(r.Server.After) - begin) / 1024 / float64(t.sizes.pollers)
		switch i {
		case 0:
			t.file(residentEach, each)
		case t.sizes.pollTimes - 1:
			t.file(residentThen, each)
		}
		t.row = streamRow(s)
		if _, err = t.onePoll(flags); err != nil {
			return err
		}
	}
	return nil
}

// onePoll lets all wait for an item.
func (t *turn) onePoll(flags []string) (*load.Report, error) {
	r, err := t.load(t.ctx, t.process, 0, flags...)
	if err != nil {
		return nil, err
	}
	if r.Latency == nil || r.Latency.Last == nil || r.Server == nil {
		return nil, errNoReport
	}
	t.file(lastHad, r.Latency.Last.Max)
	t.fileCPU(r)
	t.fileFaults(r)
	return r, nil
}
