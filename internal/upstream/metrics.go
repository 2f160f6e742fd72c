package upstream

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// stats is what one upstream did. Times are in Unix nanoseconds, 0 for none.
type stats struct {
	connected  atomic.Bool
	newest     atomic.Int64 // when the newest item was committed
	waiting    atomic.Int64 // when the oldest item of the commit that is under way came
	items      atomic.Uint64
	skipped    atomic.Uint64
	renamed    atomic.Uint64
	gaps       atomic.Uint64
	reconnects atomic.Uint64
	failures   atomic.Uint64

	began time.Time // of the stream; belongs to the goroutine that reads
}

// metric is one number of each upstream. The label is the name of the upstream:
// the configuration bounds how many there are.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*stats) float64
}

func newMetric(name, help string, kind prometheus.ValueType, value func(*stats) float64) metric {
	return metric{prometheus.NewDesc("feedd_upstream_"+name, help, []string{"upstream"}, nil), kind, value}
}

func counter(name, help string, of func(*stats) *atomic.Uint64) metric {
	return newMetric(name, help, prometheus.CounterValue, func(s *stats) float64 { return float64(of(s).Load()) })
}

var metrics = []metric{
	newMetric("connected", "1 while the upstream's stream is open, else 0.", prometheus.GaugeValue, func(s *stats) float64 {
		if s.connected.Load() {
			return 1
		}
		return 0
	}),
	newMetric("last_item_timestamp_seconds", "When the newest item of the upstream was committed, 0 before the first since the start.", prometheus.GaugeValue, func(s *stats) float64 {
		return float64(s.newest.Load()) / 1e9
	}),
	newMetric("lag_seconds", "How long the oldest item of the commit under way has waited since it came, 0 for none.", prometheus.GaugeValue, func(s *stats) float64 {
		if at := s.waiting.Load(); at != 0 {
			return max(time.Since(time.Unix(0, at)).Seconds(), 0)
		}
		return 0
	}),
	counter("items_total", "Items taken over.", func(s *stats) *atomic.Uint64 { return &s.items }),
	counter("skipped_total", "Events passed over because they are larger than max_item_bytes.", func(s *stats) *atomic.Uint64 { return &s.skipped }),
	counter("renamed_total", "Items stored without their event's name, which is not allowed here.", func(s *stats) *atomic.Uint64 { return &s.renamed }),
	counter("gaps_total", "Gap notices from the upstream: items that it lost before they could be taken over.", func(s *stats) *atomic.Uint64 { return &s.gaps }),
	counter("reconnects_total", "Streams that ended, and tries to open one that failed.", func(s *stats) *atomic.Uint64 { return &s.reconnects }),
	counter("store_failures_total", "Commits of items from the upstream that failed.", func(s *stats) *atomic.Uint64 { return &s.failures }),
}

// Describe implements prometheus.Collector.
func (s *Set) Describe(to chan<- *prometheus.Desc) {
	for _, m := range metrics {
		to <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (s *Set) Collect(to chan<- prometheus.Metric) {
	for _, f := range s.followers {
		for _, m := range metrics {
			to <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&f.stats), f.Name)
		}
	}
}
