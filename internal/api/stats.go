package api

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	gometrics "runtime/metrics"
	"strconv"
	"time"

	"feedd/internal/stream"
	"feedd/internal/subscribe"
)

// StatsFeed is the feed of the server's own figures, for its administrators. It
// is in memory: its ids and positions are not those of other feeds.
const StatsFeed = "_stats"

// stats is what happened in an interval, and what is there at its end: the data
// of an item of StatsFeed. What is not known is absent.
type stats struct {
	Seconds     float64 `json:"seconds"`     // of the interval
	Published   float64 `json:"published"`   // items a second
	Delivered   float64 `json:"delivered"`   // items a second, over all readers
	Subscribers int     `json:"subscribers"` // streams and long polls
	// P50 and P99 are of the time from an item's id to the write to a reader
	// that waited for it, in milliseconds.
	P50    *float64 `json:"p50_ms,omitempty"`
	P99    *float64 `json:"p99_ms,omitempty"`
	Memory int64    `json:"memory_bytes"` // resident
	Store  int64    `json:"store_bytes"`  // on disk, or in memory
	Items  int      `json:"items"`        // retained
	Feeds  int      `json:"feeds"`
}

// observer publishes the server's figures.
type observer struct {
	hub     *stream.Hub
	own     *stream.Hub // that StatsFeed is in
	engine  stream.Engine
	readers *subscribe.Readers
	logger  *slog.Logger
}

// observe publishes the server's figures once in every interval, until ctx
// ends.
func (o *observer) observe(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := o.count()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := o.count()
		data, err := json.Marshal(o.statsOf(last, now))
		if err == nil {
			_, err = o.own.Publish(ctx, stream.Batch{Feed: StatsFeed, Drafts: []stream.Draft{{JSON: true, Data: data}}})
		}
		if err != nil && ctx.Err() == nil {
			o.logger.Warn("the server's own figures are not published", "err", err)
		}
		last = now
	}
}

// counts are the counters at a moment.
type counts struct {
	at                   time.Time
	published, delivered uint64
	delays               stream.DelayCounts
}

func (o *observer) count() counts {
	return counts{time.Now(), o.hub.Published(), o.readers.Delivered(), o.hub.Delays.Counts()}
}

func (o *observer) statsOf(last, now counts) stats {
	seconds := now.at.Sub(last.at).Seconds()
	usage := o.engine.Usage()
	st := stats{
		Seconds:     seconds,
		Published:   float64(now.published-last.published) / seconds,
		Delivered:   float64(now.delivered-last.delivered) / seconds,
		Subscribers: o.readers.Count(),
		Memory:      residentMemory(),
		Store:       usage.Bytes, Items: usage.Items, Feeds: usage.Feeds,
	}
	delays := now.delays.Since(last.delays)
	ms := func(q float64) *float64 {
		d, ok := delays.Quantile(q)
		if !ok {
			return nil
		}
		v := float64(d.Microseconds()) / 1000
		return &v
	}
	st.P50, st.P99 = ms(.5), ms(.99)
	return st
}

// residentMemory returns the bytes of memory that the process has: what the
// kernel says (proc(5)), else what the Go runtime took from it.
func residentMemory() int64 {
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(b); len(fields) > 1 {
			if pages, err := strconv.ParseInt(string(fields[1]), 10, 64); err == nil {
				return pages * int64(os.Getpagesize())
			}
		}
	}
	sample := []gometrics.Sample{{Name: "/memory/classes/total:bytes"}}
	gometrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
