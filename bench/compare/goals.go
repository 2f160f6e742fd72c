package main

import (
	"fmt"
	"math"
	"slices"

	"feedd/bench/measure"
)

// goal is what a figure of feedd's should be.
type goal struct {
	Scenario string    `json:"scenario"`
	Server   string    `json:"server"`
	What     string    `json:"what"`
	Unit     string    `json:"unit,omitempty"`
	Value    float64   `json:"figure"`
	Bound    bound     `json:"bound"`
	Limit    float64   `json:"limit"`
	Basis    string    `json:"basis,omitempty"` // what the limit comes from, where it was measured
	Reached  bool      `json:"reached"`
	Rounds   []float64 `json:"rounds"`
}

// bound says on which side of the limit a figure must be.
type bound string

const (
	most  bound = "<="
	least bound = ">="
	below bound = "<"
)

func (b bound) holds(value, limit float64) bool {
	switch b {
	case most:
		return value <= limit
	case least:
		return value >= limit
	default:
		return value < limit
	}
}

// asking makes goals of the figures that there are. What was not measured asks
// nothing.
type asking struct {
	board *board
	goals []goal
}

func (a *asking) ask(scenario, server string, m metric, b bound, limit float64, basis string) {
	f := a.board.find(scenario, server, m)
	if f == nil || math.IsNaN(limit) {
		return
	}
	a.goals = append(a.goals, goal{
		Scenario: scenario, Server: server, What: f.What, Unit: f.Unit,
		Value: f.Value, Bound: b, Limit: limit, Basis: basis, Reached: b.holds(f.Value, limit), Rounds: f.Rounds,
	})
}

// against asks for a share of another row's figure, and so much more.
func (a *asking) against(scenario, server string, m metric, other string, factor, more float64) {
	x, ok := a.board.value(scenario, other, m)
	if !ok {
		return
	}
	basis := fmt.Sprintf("%s x %s", measure.Number(factor), titleOf(other))
	if factor == 1 {
		basis = fmt.Sprintf("%s + %s", titleOf(other), measure.Format(more, m.unit))
	}
	a.ask(scenario, server, m, most, factor*x+more, basis)
}

// belowPeers asks for less than every peer.
func (a *asking) belowPeers(scenario, server string, m metric) {
	limit, basis := math.NaN(), ""
	for _, s := range servers {
		if s.role != peer {
			continue
		}
		if x, ok := a.board.value(scenario, s.name, m); ok && !(x >= limit) {
			limit, basis = x, "the best peer, "+s.title
		}
	}
	a.ask(scenario, server, m, below, limit, basis)
}

// What is asked of feedd. The limits are decisions about what feedd is to be, on the
// two cores that RESULTS.md was measured on, where no reason is given with them.
const (
	totalFactor  = 1.2       // of the floor's CPU: the system calls are the same, so this is what feedd adds
	userMore     = 1.0       // us of user CPU a delivery above the floor's
	p99Factor10k = 1.3       // of the floor's p99
	p99Factor1k  = 1.5       // the same; the floor's p99 is short here, so noise is a larger part of it
	eachKiB      = 1.6       // resident memory of a subscriber that waits
	idlePercent  = 2         // of one CPU, with all subscribers idle
	offeredLeast = 900_000   // deliveries/s of the 1,000,000 that are offered
	mostLeast    = 3_000_000 // deliveries/s without a throttle

	stalledFactor = 1.2 // of the p99 without them
	stalledMiB    = 16  // of resident memory more than without them
	stalledTCPKiB = 256 // of TCP memory for each: the socket buffers, which the kernel bounds

	stormSeconds = 10   // until all have recovered
	stormMillis  = 1000 // the p99 of those that stayed

	pollFactor = 3  // of the time of as many streams: an answer and a new poll for each item
	pollKiB    = 30 // resident memory of a poller that waits

	feedsFactor = 2 // of the CPU a delivery of the single feed

	strangersFactor = 1.5 // of the p99 without them
	strangersMiB    = 160 // the budget for selections, and as much again that the garbage collector has not collected
	bodiesMiB       = 288 // the budget for bodies, as much again for the garbage collector, and the connections
)

// goalsOf says what is asked of the figures.
func goalsOf(b *board, z *sizes) []goal {
	a := &asking{board: b}
	for _, s := range servers {
		if s.role == ours {
			a.fanout(s.name)
			a.polling(s)
		}
	}
	// The goal is for the time between heartbeats: the last row.
	a.ask("idle-cpu", heartbeats[len(heartbeats)-1].row, idleLoad, below, idlePercent, "")
	a.ask("unthrottled", "feedd-memory", deliveries, least, mostLeast, "")
	a.stalled(z)
	a.against("feeds", manyFeeds, deliveryCPU, oneFeedMany, feedsFactor, 0)
	a.against("feeds", somePattern, deliveryCPU, oneFeedSome, feedsFactor, 0)
	a.strangers()
	a.faultless()
	return a.goals
}

func (a *asking) fanout(s string) {
	a.against("fanout-10k", s, totalCPU, "floor", totalFactor, 0)
	a.against("fanout-10k", s, userCPU, "floor", 1, userMore)
	a.belowPeers("fanout-10k", s, totalCPU)
	a.belowPeers("fanout-10k", s, p99)
	a.against("fanout-10k", s, p99, "floor", p99Factor10k, 0)
	a.against("fanout-1k", s, p99, "floor", p99Factor1k, 0)
	a.ask("idle-memory", s, residentEach, most, eachKiB, "")
	a.ask("throughput", s, deliveries, least, offeredLeast, "")
	a.ask("storm", s, notWhole, most, 0, "")
	a.ask("storm", s, recovered, below, stormSeconds, "")
	a.ask("storm", s, p99Stayed, below, stormMillis, "")
}

func (a *asking) polling(s server) {
	a.against("polling", pollRow(s), lastHad, streamRow(s), pollFactor, 0)
	a.ask("polling", pollRow(s), residentEach, most, pollKiB, "")
	a.ask("polling", pollRow(s), residentThen, most, pollKiB, "")
}

func (a *asking) stalled(z *sizes) {
	const sc = "stalled"
	a.ask(sc, withStalled, cutSeen, least, float64(z.stalled), "all of them")
	a.ask(sc, withStalled, cutCounted, least, float64(z.stalled), "all of them")
	a.against(sc, withStalled, p99Others, withoutStalled, stalledFactor, 0)
	a.against(sc, withStalled, p99Publish, withoutStalled, stalledFactor, 0)
	a.above(sc, withStalled, residentPeak, withoutStalled, stalledMiB)
	a.above(sc, withStalled, tcpPeak, withoutStalled, float64(z.stalled)*stalledTCPKiB/1024)
}

func (a *asking) strangers() {
	for _, kind := range strangerKinds {
		a.askStranger(kind)
	}
}

func (a *asking) askStranger(kind stranger) {
	row, mib := kind.row, float64(strangersMiB)
	if kind.bodies {
		mib = bodiesMiB
	}
	if before, ok := a.board.value("strangers", row, p99Without); ok {
		a.ask("strangers", row, p99, most, strangersFactor*before, fmt.Sprintf("%s x without them", measure.Number(strangersFactor)))
	}
	a.above("strangers", row, residentPeak, alone, mib)
}

// above asks for another row's figure and so much more.
func (a *asking) above(scenario, server string, m metric, other string, more float64) {
	a.against(scenario, server, m, other, 1, more)
}

// faultless asks that no run of feedd had a fault.
func (a *asking) faultless() {
	for _, f := range a.board.figures {
		if m, ok := faultOf(f); ok && roleOf(f.Server) == ours {
			a.ask(f.Scenario, f.Server, m, most, 0, "")
		}
	}
}

// roleOf returns the role of a row: a row that is no server is a variant of
// feedd.
func roleOf(row string) role {
	for _, s := range servers {
		if s.name == row {
			return s.role
		}
	}
	return ours
}

func faultOf(f *figure) (metric, bool) {
	i := slices.IndexFunc(faults, func(m metric) bool { return m.name == f.What })
	if i < 0 {
		return metric{}, false
	}
	return faults[i], true
}

// isFault reports whether a goal only says that something must not be.
func (g *goal) isFault() bool {
	return slices.ContainsFunc(append(faults, notWhole), func(m metric) bool { return m.name == g.What })
}
