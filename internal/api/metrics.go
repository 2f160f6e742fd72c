package api

import (
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"feedd/internal/access"
	"feedd/internal/stream"
)

// metrics are what an operator sees. None has a label by feed: their number
// must not grow with the feeds.
type metrics struct {
	handler   http.Handler
	delivered atomic.Uint64 // shards apart
	gaps      atomic.Uint64 // shards apart
	stalled   prometheus.Counter
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		stalled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "feedd_subscribers_cut_total", Help: "Subscribers cut because they took nothing for stall_timeout.",
		}),
	}
	usage := func(name, help string, value func(stream.Usage) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			return value(s.Engine.Usage())
		})
	}
	count := func(name, help string, value func(fanout.Stats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 {
			return float64(value(s.Shards.Stats()))
		})
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		m.stalled, s.problems.Metrics(),
		count("feedd_items_delivered_total", "Items written to subscribers and pages.", func(st stream.ShardStats) uint64 {
			return st.Delivered + m.delivered.Load()
		}),
		count("feedd_gaps_total", "Gap notices written: readers told that items are gone.", func(st fanout.Stats) uint64 {
			return st.Gaps + m.gaps.Load()
		}),
		count("feedd_subscribers_blocked_total", "Times that a subscriber's connection took no more, and was left until it did.", func(st fanout.Stats) uint64 {
			return st.Blocked
		}),
		count("feedd_catch_up_pages_total", "Pages written to subscribers that were behind.", func(st fanout.Stats) uint64 {
			return st.CaughtUp
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "feedd_subscribers", Help: "Streams and waiting pages.",
		}, func() float64 { return float64(s.Subscribers()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "feedd_connections", Help: "Open connections, those of parked streams and WebSockets apart.",
		}, func() float64 { return float64(s.connections.number()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "feedd_max_subscribers", Help: "How many subscribers there may be.",
		}, func() float64 { return float64(s.MaxSubscribers) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "feedd_max_subscribers_per_ip", Help: "How many of them may come from one address, 0 for any number.",
		}, func() float64 { return float64(s.MaxSubscribersPerIP) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "feedd_selection_bytes", Help: "Memory that counts against max_selection_bytes.",
		}, func() float64 { return float64(s.selections.budget.Used()) }),
		usage("feedd_store_feeds", "Feeds in the store.", func(u stream.Usage) float64 { return float64(u.Feeds) }),
		usage("feedd_store_items", "Items retained.", func(u stream.Usage) float64 { return float64(u.Items) }),
		usage("feedd_store_idempotency_keys", "Idempotency-Keys remembered.", func(u stream.Usage) float64 { return float64(u.Keys) }),
		usage("feedd_store_bytes", "Bytes that the store holds.", func(u stream.Usage) float64 { return float64(u.Bytes) }),
		usage("feedd_store_wal_bytes", "Bytes of these that are in the WAL.", func(u stream.Usage) float64 { return float64(u.WAL) }),
		usage("feedd_store_reserve_bytes", "Bytes of the disk that are kept for what makes room, beside the store.", func(u stream.Usage) float64 { return float64(u.Reserve) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "feedd_store_wal_unmoved_total", Help: "Times that the WAL could not be moved whole into the database, because another program reads or locks it.",
		}, func() float64 { return float64(s.Engine.Usage().Unmoved) }),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	reg.MustRegister(s.publisher.Metrics()...)
	reg.MustRegister(s.Metrics...)
	m.handler = promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
	return m
}

// serveMetrics answers GET /metrics. Off loopback it needs the admin key.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) error {
	if !access.FromLoopback(r) {
		if err := access.NeedAdmin(r, "reading the metrics from another machine"); err != nil {
			return err
		}
	}
	s.metrics.handler.ServeHTTP(w, r)
	return nil
}

// delivered returns how many items were written to subscribers and pages.
func (s *Server) delivered() uint64 { return s.Shards.Stats().Delivered + s.metrics.delivered.Load() }
