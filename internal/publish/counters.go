package publish

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"feedd/internal/stream"
)

// counters are what an operator sees of publishing. None has a label by feed:
// their number must not grow with the feeds.
type counters struct {
	items     prometheus.Counter
	publishes *prometheus.CounterVec
	latency   prometheus.Histogram
}

func newCounters() counters {
	return counters{
		items: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "feedd_items_published_total", Help: "Items committed that were published over HTTP.",
		}),
		publishes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "feedd_publishes_total", Help: "Publishes answered with a receipt: stored, or replayed by Idempotency-Key.",
		}, []string{"outcome"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "feedd_publish_seconds", Help: "Time from a publish's arrival to its commit.",
			// From half of what a fast disk's fsync takes to what an operator calls
			// an outage.
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5},
		}),
	}
}

// published counts a publish and how long it took.
func (c *counters) published(r stream.Receipt, took time.Duration) {
	c.latency.Observe(took.Seconds())
	if r.Replayed {
		c.publishes.WithLabelValues("replayed").Inc()
		return
	}
	c.publishes.WithLabelValues("stored").Inc()
	c.items.Add(float64(r.Count))
}

// Metrics returns what an operator sees of publishing, for a registry.
func (p *Publisher) Metrics() []prometheus.Collector {
	return []prometheus.Collector{
		p.counters.items, p.counters.publishes, p.counters.latency,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "feedd_bodies_bytes", Help: "Memory in use for publishes that are being read or committed.",
		}, func() float64 { return float64(p.bodies.Used()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "feedd_max_bodies_bytes", Help: "How much of it there may be.",
		}, func() float64 { return float64(p.bodies.Total()) }),
	}
}
