package main

import (
	"context"
	"time"

	"feedd/bench/measure"
)

const (
	// backlog is what the default retention keeps of a feed.
	backlog = 10_000
	// turn is how many appends and publishes take turns in the comparison,
	// and turns is how often in a round: what else the disk has to do in these
	// seconds meets both.
	turn, turns = 20, 15
)

// publishing measures publishes to a feed that is full: each trims as much as
// it brings.
func (b *bench) publishing(ctx context.Context) error {
	s, err := b.serve(ctx, "publish")
	if err != nil {
		return err
	}
	defer s.Kill()
	empty, _ := s.memory()
	fill, err := s.publishers(ctx, "full", 1, backlog)
	if err != nil {
		return err
	}
	defer hangUp(fill)
	if _, err := together(fill, time.Second, (*publisher).many); err != nil {
		return err
	}
	singles, err := s.publishers(ctx, "full", 64, 1)
	if err != nil {
		return err
	}
	defer hangUp(singles)
	lines, err := s.publishers(ctx, "full", 4, 256)
	if err != nil {
		return err
	}
	defer hangUp(lines)
	plain, err := b.plainFile()
	if err != nil {
		return err
	}
	defer plain.close()

	report := &b.report
	latency := struct{ ratio, plain, publish *figure }{
		ratio:   report.add("one publisher: latency / plain append + fdatasync", "", most(4)),
		plain:   report.add("  plain append + fdatasync of the same bytes", "ms", nil),
		publish: report.add("  publish of one item, in sequence", "ms", nil),
	}
	rate := struct{ ratio, one, all *figure }{
		ratio: report.add("64 publishers over HTTP: rate / rate of one", "", nil),
		one:   report.add("  one publisher", "items/s", nil),
		all:   report.add("  64 publishers", "items/s", nil),
	}
	batches := report.add("batches of 256 over 4 connections", "items/s", least(60_000))

	for range b.rounds {
		append, publish, err := compare(plain, singles[0])
		if err != nil {
			return err
		}
		latency.plain.round(append)
		latency.publish.round(publish)
		latency.ratio.round(publish / append)
		one, err := together(singles[:1], 1500*time.Millisecond, (*publisher).one)
		if err != nil {
			return err
		}
		all, err := together(singles, 2*time.Second, (*publisher).one)
		if err != nil {
			return err
		}
		rate.one.round(one)
		rate.all.round(all)
		rate.ratio.round(all / one)
		n, err := together(lines, 3*time.Second, (*publisher).many)
		if err != nil {
			return err
		}
		batches.round(n * 256)
	}
	now, peak := s.memory()
	report.add("memory: started, empty store", "MiB", nil).round(empty)
	report.add("memory: after publishing to a full feed", "MiB", nil).round(now)
	report.add("memory: its peak", "MiB", nil).round(peak)
	if err := s.expectCount(ctx, "full", backlog); err != nil {
		return err
	}
	return s.Stop()
}

// compare returns the median times in milliseconds of a plain append and of a
// publish of the same bytes.
func compare(plain *plainFile, p *publisher) (append, publish float64, err error) {
	var appends, publishes []float64
	for range turns {
		for range turn {
			took, err := plain.append(p.batch.item())
			if err != nil {
				return 0, 0, err
			}
			appends = addMillis(appends, took)
		}
		for range turn {
			begin := time.Now()
			if err := p.one(); err != nil {
				return 0, 0, err
			}
			publishes = addMillis(publishes, time.Since(begin))
		}
	}
	return measure.Median(appends), measure.Median(publishes), nil
}

func addMillis(list []float64, d time.Duration) []float64 {
	return append(list, float64(d)/float64(time.Millisecond))
}
