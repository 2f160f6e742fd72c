// Package subscribe serves everything that stays connected, or may: streams, long
// polls and pages, each a cursor on a hub. It decides who gets a place, hands
// plain TCP connections over to the shards, runs a loop for all others, and knows
// every subscriber. WebSockets, package socket, are such a loop with another
// outlet.
package subscribe

import (
	"log/slog"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"feedd/internal/access"
	"feedd/internal/answer"
	"feedd/internal/fanout"
	"feedd/internal/problem"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

// Limits bound the subscribers.
type Limits struct {
	// MaxSubscribers is how many streams and long polls there may be, at least 1;
	// MaxSubscribersPerIP bounds those from one IPv4 address or IPv6 /64; 0: no
	// bound.
	MaxSubscribers      int
	MaxSubscribersPerIP int
	// MaxSelectionBytes bounds the memory for what subscribers select, and
	// MaxSelectionBytesPerIP that for those of one address, in bytes; 0: no bound.
	MaxSelectionBytes      int64
	MaxSelectionBytesPerIP int64
	// MaxEventNames is how many event names a reader may ask for; 0: no bound.
	MaxEventNames int
}

// Options is what Readers need. All fields are required.
type Options struct {
	Hub *stream.Hub
	// Own is the hub of feedd's own feeds, which are in memory.
	Own      *stream.Hub
	Shards   *fanout.Shards // of Hub
	Gate     *access.Gate
	Answers  *answer.Answers
	Problems *problem.Reporter
	Logger   *slog.Logger
	Limits   Limits
	// Heartbeat is how long a stream is silent at most.
	Heartbeat time.Duration
	// StallTimeout is how long a subscriber may take nothing of what waits for it.
	StallTimeout time.Duration
	PeerLook     time.Duration // see PeerLook
}

// Readers serve the subscribers of two hubs.
type Readers struct {
	hub       *stream.Hub
	shards    *fanout.Shards // of hub
	gate      *access.Gate
	answers   *answer.Answers
	problems  *problem.Reporter
	logger    *slog.Logger
	heartbeat time.Duration
	stall     time.Duration
	peerLook  time.Duration // see PeerLook

	maxEventNames int
	places        places
	selections    *selections
	register      register
	replies       replies
	returning     *returning // nil: connections are not taken back

	delivered atomic.Uint64 // items, those of the shards apart
	gaps      atomic.Uint64 // those of the shards apart
	stalled   prometheus.Counter
}

// New returns Readers.
func New(o Options) *Readers {
	rs := &Readers{
		hub: o.Hub, shards: o.Shards, gate: o.Gate, answers: o.Answers, problems: o.Problems, logger: o.Logger,
		heartbeat: o.Heartbeat, stall: o.StallTimeout, peerLook: o.PeerLook,
		maxEventNames: o.Limits.MaxEventNames,
		selections:    newSelections(o.Limits.MaxSelectionBytes, o.Limits.MaxSelectionBytesPerIP),
		stalled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "feedd_subscribers_cut_total", Help: "Subscribers cut because they took nothing for stall_timeout.",
		}),
	}
	rs.places = places{
		own: o.Own, most: o.Limits.MaxSubscribers, perIP: o.Limits.MaxSubscribersPerIP,
		stalls: func() {
			rs.stalled.Inc()
			o.Problems.CountLimit("stall_timeout", 1)
		},
		byAddr: make(map[netip.Addr]*place),
	}
	return rs
}

// Request is what a reader asks for, as far as it may.
type Request struct {
	Hub       *stream.Hub
	Selection selector.Selection
	Query     url.Values
}

// Delivered returns how many items were written to subscribers and pages.
func (rs *Readers) Delivered() uint64 { return rs.shards.Stats().Delivered + rs.delivered.Load() }

// Metrics returns what an operator sees of subscribers, for a registry.
func (rs *Readers) Metrics() []prometheus.Collector {
	count := func(name, help string, value func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	return []prometheus.Collector{
		rs.stalled,
		count("feedd_items_delivered_total", "Items written to subscribers and pages.", rs.Delivered),
		count("feedd_gaps_total", "Gap notices written: readers told that items are gone.", func() uint64 {
			return rs.shards.Stats().Gaps + rs.gaps.Load()
		}),
		count("feedd_subscribers_blocked_total", "Times that a subscriber's connection took no more, and was left until it did.", func() uint64 {
			return rs.shards.Stats().Blocked
		}),
		count("feedd_catch_up_pages_total", "Pages written to subscribers that were behind.", func() uint64 {
			return rs.shards.Stats().CaughtUp
		}),
		gauge("feedd_subscribers", "Streams and long polls.", func() float64 { return float64(rs.Count()) }),
		gauge("feedd_max_subscribers", "How many subscribers there may be.", func() float64 { return float64(rs.places.most) }),
		gauge("feedd_max_subscribers_per_ip", "How many of them may come from one address, 0 for any number.", func() float64 {
			return float64(rs.places.perIP)
		}),
		gauge("feedd_selection_bytes", "Memory that counts against max_selection_bytes.", func() float64 {
			return float64(rs.selections.budget.Used())
		}),
	}
}
