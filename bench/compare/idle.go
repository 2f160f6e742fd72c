package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"feedd/bench/measure"
	"feedd/internal/load"
)

var (
	residentEach = metric{name: "resident memory a subscriber", unit: "KiB"}
	idleLoad     = metric{name: "CPU of all", unit: "% of a core"}
)

// forever is longer than any measurement: these loads are ended by us.
const forever = time.Hour

func aboutIdleMemory(z *sizes) string {
	all := z.idleFirst + z.idleMore
	return fmt.Sprintf("What the resident memory of the server grows by from %s to %s subscribers that wait, divided by their number; both are read %s after the last one had come. Nothing is published.",
		measure.Number(float64(z.idleFirst)), measure.Number(float64(all)), z.idleSettle)
}

func runIdleMemory(b *bench, ctx context.Context, sc *scenario) error {
	return b.give(ctx, sc, b.ofRole(floor, ours, peer), nil, func(t *turn) error {
		crowd := &crowd{turn: t}
		defer crowd.end()
		if err := crowd.join(b.sizes.idleFirst); err != nil {
			return err
		}
		before := residentOf(t.pids)
		if err := crowd.join(b.sizes.idleMore); err != nil {
			return err
		}
		t.file(residentEach, (residentOf(t.pids)-before)/1024/float64(b.sizes.idleMore))
		return crowd.leave()
	})
}

func aboutIdleCPU(z *sizes) string {
	return fmt.Sprintf("feedd's CPU over %s with %s subscribers that wait: with a sign of life for each every 15 s, as by default (two in that time), and over %s with one every 10 minutes (none).",
		z.idleWatch, measure.Number(float64(z.idleFirst+z.idleMore)), z.idleWatch/2)
}

// heartbeats are the settings under which idle subscribers are watched.
var heartbeats = []struct {
	row, setting string
	share        time.Duration // of the time: where nothing happens half of it is enough
}{
	{"heartbeat of 15 s", "15s", 1},
	{"heartbeat of 10 min", "10m", 2},
}

func runIdleCPU(b *bench, ctx context.Context, sc *scenario) error {
	for _, s := range b.feedd("feedd-memory") {
		for _, h := range heartbeats {
			err := b.giveOne(ctx, sc, s, h.row, []string{"FEEDD_HEARTBEAT=" + h.setting}, func(t *turn) error {
				crowd := &crowd{turn: t}
				defer crowd.end()
				if err := crowd.join(b.sizes.idleFirst + b.sizes.idleMore); err != nil {
					return err
				}
				began, used := time.Now(), cpuOf(t.pids)
				if err := pause(ctx, b.sizes.idleWatch/h.share); err != nil {
					return err
				}
				t.file(idleLoad, 100*(cpuOf(t.pids)-used)/time.Since(began).Seconds())
				return crowd.leave()
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// crowd is subscribers that only wait.
type crowd struct {
	*turn
	loads []*loading
	size  int
}

// maxJoin is how many one load has: each is a descriptor of its process too.
const maxJoin = 18_000

// join lets n more subscribers connect, and returns when the server had time to
// settle.
func (c *crowd) join(n int) error {
	before := filesOf(c.pids)
	for remaining := n; remaining > 0; remaining -= min(remaining, maxJoin) {
		l, err := c.startLoad(c.ctx, c.process, forever, false, flagOf("subscribers", min(remaining, maxJoin)), noPublish, flagOf("duration", forever))
		if err != nil {
			return err
		}
		c.loads = append(c.loads, l)
		c.size += min(remaining, maxJoin)
		if err := waitFiles(c.ctx, c.process, before+n-remaining+min(remaining, maxJoin), l); err != nil {
			return err
		}
	}
	return pause(c.ctx, c.sizes.idleSettle)
}

// leave lets all go. They must all have been there.
func (c *crowd) leave() error {
	there := 0
	for _, l := range c.loads {
		l.interrupt()
	}
	for _, l := range c.loads {
		r, err := l.report()
		if err != nil {
			return err
		}
		there += connectedOf(r)
	}
	if there != c.size {
		return fmt.Errorf("%d subscribers were there, not %d", there, c.size)
	}
	return nil
}

// connectedOf returns how many were connected all the time.
func connectedOf(r *load.Report) int { return r.Connect.Connected - int(r.Deliveries.Cuts) }

func (c *crowd) end() {
	for _, l := range c.loads {
		l.end()
	}
}

var errNoReport = errors.New("the load says nothing of what was asked for")
