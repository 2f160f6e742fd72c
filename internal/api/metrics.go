package api

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"feedd/internal/stream"
)

// metrics are what an operator sees. None has a label by feed: their number
// must not grow with the feeds.
type metrics struct {
	handler   http.Handler
	items     prometheus.Counter
	publishes *prometheus.CounterVec
	latency   prometheus.Histogram
	delivered prometheus.Counter
	gaps      prometheus.Counter
	stalled   prometheus.Counter
	limitHits *prometheus.CounterVec
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		items: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "feedd_items_published_total", Help: "Items committed.",
		}),
		publishes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "feedd_publishes_total", Help: "Publishes answered with a receipt: stored, or replayed by Idempotency-Key.",
		}, []string{"outcome"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "feedd_publish_seconds", Help: "Time from a publish's arrival to its commit.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5},
		}),
		delivered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "feedd_items_delivered_total", Help: "Items written to subscribers and pages.",
		}),
		gaps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "feedd_gaps_total", Help: "Gap notices written: readers told that items are gone.",
		}),
		stalled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "feedd_subscribers_cut_total", Help: "Subscribers cut because they took nothing for stall_timeout.",
		}),
		limitHits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "feedd_limit_hits_total", Help: "Requests refused, or subscribers cut, by the setting that did it.",
		}, []string{"limit"}),
	}
	usage := func(name, help string, value func(stream.Usage) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			return value(s.Engine.Usage())
		})
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		m.items, m.publishes, m.latency, m.delivered, m.gaps, m.stalled, m.limitHits,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "feedd_subscribers", Help: "Streams and waiting pages.",
		}, func() float64 { return float64(s.subscribers.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "feedd_max_subscribers", Help: "How many subscribers there may be.",
		}, func() float64 { return float64(s.MaxSubscribers) }),
		usage("feedd_store_feeds", "Feeds in the store.", func(u stream.Usage) float64 { return float64(u.Feeds) }),
		usage("feedd_store_items", "Items retained.", func(u stream.Usage) float64 { return float64(u.Items) }),
		usage("feedd_store_idempotency_keys", "Idempotency-Keys remembered.", func(u stream.Usage) float64 { return float64(u.Keys) }),
		usage("feedd_store_bytes", "Bytes that the store holds.", func(u stream.Usage) float64 { return float64(u.Bytes) }),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.handler = promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
	return m
}

func (m *metrics) published(r stream.Receipt, took time.Duration) {
	m.latency.Observe(took.Seconds())
	if r.Replayed {
		m.publishes.WithLabelValues("replayed").Inc()
		return
	}
	m.publishes.WithLabelValues("stored").Inc()
	m.items.Add(float64(r.Count))
}

// serveMetrics answers GET /metrics. Off loopback it needs the admin key.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) error {
	if !fromLoopback(r) {
		if err := needAdmin(r, "reading the metrics from another machine"); err != nil {
			return err
		}
	}
	s.metrics.handler.ServeHTTP(w, r)
	return nil
}
