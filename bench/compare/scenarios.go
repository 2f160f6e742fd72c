package main

import (
	"context"
	"time"

	"feedd/bench/measure"
	"feedd/internal/load"
)

// scenario is a load, and the servers that can bear it.
type scenario struct {
	name  string
	title string
	about func(z *sizes) string // how it is measured
	run   func(b *bench, ctx context.Context, sc *scenario) error
}

var scenarios = []scenario{
	{"fanout-10k", "Fan-out to many", aboutFanout10k, runFanout10k},
	{"fanout-1k", "Fan-out to fewer", aboutFanout1k, runFanout1k},
	{"idle-memory", "Memory of who waits", aboutIdleMemory, runIdleMemory},
	{"idle-cpu", "CPU of who waits", aboutIdleCPU, runIdleCPU},
	{"throughput", "Deliveries a second", aboutThroughput, runThroughput},
	{"unthrottled", "Deliveries a second, as many as it can", aboutUnthrottled, runUnthrottled},
	{"stalled", "Subscribers that take nothing", aboutStalled, runStalled},
	{"storm", "All come back together", aboutStorm, runStorm},
	{"polling", "Pages that wait", aboutPolling, runPolling},
	{"feeds", "Many feeds, and patterns", aboutFeeds, runFeeds},
	{"strangers", "Strangers beside a good reader", aboutStrangers, runStrangers},
}

func scenarioNames() []string {
	var names []string
	for _, sc := range scenarios {
		names = append(names, sc.name)
	}
	return names
}

// sizes say how large the scenarios are.
type sizes struct {
	many, some int           // subscribers
	lasts      time.Duration // a measurement
	warmup     time.Duration

	idleFirst, idleMore int // subscribers that wait: the first of them, and how many more
	idleSettle          time.Duration
	idleWatch           time.Duration // the CPU

	rate         int // items a second that are offered for the throughput
	batch, ahead int // of what is published unthrottled

	live, stalled int // subscribers
	stalledLasts  time.Duration
	stallTimeout  string

	stay int           // in a storm
	away time.Duration // the others, at 10 items a second

	pollers   int
	pollTimes int

	feeds       int
	feedsRate   int // items a second on all of them
	patternRate int // the same, with subscribers of all of them

	strangers, strangersFeeds int
	strangersLast             time.Duration // of each measurement
}

var fullSizes = sizes{
	many: 10_000, some: 1_000, lasts: 8 * time.Second, warmup: time.Second,
	idleFirst: 1_000, idleMore: 18_000, idleSettle: 4 * time.Second, idleWatch: 30 * time.Second,
	rate: 1_000, batch: 100, ahead: 2_000,
	live: 9_000, stalled: 1_000, stalledLasts: 12 * time.Second, stallTimeout: "5s",
	stay: 1_000, away: 10 * time.Second,
	pollers: 5_000, pollTimes: 5,
	feeds: 10_000, feedsRate: 4_000, patternRate: 100,
	strangers: 300, strangersFeeds: 73_000, strangersLast: 10 * time.Second,
}

// shortSizes only show that it works.
var shortSizes = sizes{
	many: 300, some: 100, lasts: time.Second, warmup: 200 * time.Millisecond,
	idleFirst: 50, idleMore: 200, idleSettle: 300 * time.Millisecond, idleWatch: time.Second,
	rate: 100, batch: 20, ahead: 500,
	live: 100, stalled: 20, stalledLasts: 3500 * time.Millisecond, stallTimeout: "1s",
	stay: 30, away: time.Second,
	pollers: 100, pollTimes: 1,
	feeds: 50, feedsRate: 200, patternRate: 50,
	strangers: 20, strangersFeeds: 1_500, strangersLast: 500 * time.Millisecond,
}

// itemsPerSecond is the pace of a feed, where nothing else is said.
const itemsPerSecond = 10

// fileFaults files what a server must not do, over loads that ran side by side.
func (t *turn) fileFaults(reports ...*load.Report) {
	var gone, again, moved, missing float64
	for _, r := range reports {
		d := &r.Deliveries
		gone += float64(d.Lost)
		again += float64(d.Twice)
		moved += float64(d.Late) + float64(d.OtherOrder)
		missing += float64(r.Connect.Missing)
		if r.Publish != nil {
			missing += float64(r.Publish.Failed)
			for why, n := range r.Publish.Failures {
				measure.Note("%d items were not acknowledged: %s", n, why)
			}
		}
	}
	t.file(lost, gone)
	t.file(doubled, again)
	t.file(disorder, moved)
	t.file(refused, missing)
}

// fileCPU files what a delivery took of the server.
func (t *turn) fileCPU(r *load.Report) {
	if s := r.Server; s != nil {
		t.file(userCPU, s.User)
		t.file(systemCPU, s.System)
		t.file(totalCPU, s.Total())
	}
}

func (t *turn) fileLatency(r *load.Report) {
	if l := r.Latency; l != nil {
		t.file(p50, l.P50)
		t.file(p99, l.P99)
	}
}

// giveAll gives each server its turn with the same load and measures it the same way.
func (b *bench) giveAll(ctx context.Context, sc *scenario, list []server, lasts time.Duration, flags []string) error {
	return b.give(ctx, sc, list, nil, func(t *turn) error {
		all := append([]string{flagOf("duration", lasts), flagOf("warmup", b.sizes.warmup)}, flags...)
		r, err := b.load(ctx, t.process, lasts+b.sizes.warmup, all...)
		if err != nil {
			return err
		}
		t.fileCPU(r)
		t.fileLatency(r)
		t.file(deliveries, r.Deliveries.PerSecond)
		t.fileFaults(r)
		return nil
	})
}
