package api

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"feedd/internal/access"
	"feedd/internal/stream"
)

// metrics are what an operator sees. None has a label by feed: their number must
// not grow with the feeds.
type metrics struct {
	registry *prometheus.Registry
	handler  http.Handler
}

// newMetrics returns the metrics of the store, the connections and the process,
// together with further ones.
func newMetrics(engine stream.Engine, connections *connections, others ...prometheus.Collector) *metrics {
	usage := func(name, help string, value func(stream.Usage) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			return value(engine.Usage())
		})
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "feedd_connections", Help: "Open connections, those of parked streams and WebSockets apart.",
		}, func() float64 { return float64(connections.number()) }),
		usage("feedd_store_feeds", "Feeds in the store.", func(u stream.Usage) float64 { return float64(u.Feeds) }),
		usage("feedd_store_items", "Items retained.", func(u stream.Usage) float64 { return float64(u.Items) }),
		usage("feedd_store_idempotency_keys", "Idempotency-Keys remembered.", func(u stream.Usage) float64 { return float64(u.Keys) }),
		usage("feedd_store_bytes", "Bytes that the store holds.", func(u stream.Usage) float64 { return float64(u.Bytes) }),
		usage("feedd_store_wal_bytes", "Bytes of these that are in the WAL.", func(u stream.Usage) float64 { return float64(u.WAL) }),
		usage("feedd_store_reserve_bytes", "Bytes of the disk that are kept for what makes room, beside the store.", func(u stream.Usage) float64 { return float64(u.Reserve) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "feedd_store_wal_unmoved_total", Help: "Times that the WAL could not be moved whole into the database, because another program reads or locks it.",
		}, func() float64 { return float64(engine.Usage().Unmoved) }),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	reg.MustRegister(others...)
	return &metrics{reg, promhttp.HandlerFor(reg, promhttp.HandlerOpts{})}
}

// get answers GET /metrics. Off loopback it needs the admin key.
func (m *metrics) get(w http.ResponseWriter, r *http.Request) error {
	if !access.FromLoopback(r) {
		if err := access.NeedAdmin(r, "reading the metrics from another machine"); err != nil {
			return err
		}
	}
	m.handler.ServeHTTP(w, r)
	return nil
}
