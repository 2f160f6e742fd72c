package main

import (
	"slices"

	"feedd/bench/measure"
)

// metric is something that is measured.
type metric struct {
	name, unit string
	// worst: what counts is not the median of the rounds but the worst of them.
	worst bool
}

var (
	userCPU    = metric{name: "user CPU a delivery", unit: "us"}
	systemCPU  = metric{name: "system CPU a delivery", unit: "us"}
	totalCPU   = metric{name: "CPU a delivery", unit: "us"}
	p50        = metric{name: "p50", unit: "ms"}
	p99        = metric{name: "p99", unit: "ms"}
	deliveries = metric{name: "deliveries", unit: "/s"}

	// What must be none.
	lost     = metric{name: "lost", worst: true}
	doubled  = metric{name: "doubled", worst: true}
	disorder = metric{name: "out of order", worst: true}
	refused  = metric{name: "publishes or subscribers refused", worst: true}
)

// faults are the metrics that must be 0.
var faults = []metric{lost, doubled, disorder, refused}

// figure is one thing that was measured.
type figure struct {
	Scenario string    `json:"scenario"`
	Server   string    `json:"server"`
	What     string    `json:"what"`
	Unit     string    `json:"unit,omitempty"`
	Value    float64   `json:"figure"` // the median of the rounds, or the worst
	Rounds   []float64 `json:"rounds"`
}

// board keeps the figures, in the order in which they first came.
type board struct{ figures []*figure }

func (b *board) find(scenario, server string, m metric) *figure {
	i := slices.IndexFunc(b.figures, func(f *figure) bool {
		return f.Scenario == scenario && f.Server == server && f.What == m.name
	})
	if i < 0 {
		return nil
	}
	return b.figures[i]
}

// add adds the value of a round.
func (b *board) add(scenario, server string, m metric, x float64) {
	f := b.find(scenario, server, m)
	if f == nil {
		f = &figure{Scenario: scenario, Server: server, What: m.name, Unit: m.unit}
		b.figures = append(b.figures, f)
	}
	f.Rounds = append(f.Rounds, x)
	if f.Value = measure.Median(f.Rounds); m.worst {
		f.Value = slices.Max(f.Rounds)
	}
}

// value returns a figure, if there is one.
func (b *board) value(scenario, server string, m metric) (float64, bool) {
	f := b.find(scenario, server, m)
	if f == nil {
		return 0, false
	}
	return f.Value, true
}
