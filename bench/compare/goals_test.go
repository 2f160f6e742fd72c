package main

import (
	"math"
	"strings"
	"testing"
)

// sample is a board as a run might leave it: a feedd that reaches all.
func sample() *board {
	b := &board{}
	cpu := map[string][2]float64{
		"floor": {0.4, 6}, "feedd-memory": {0.9, 6.2}, "feedd-sqlite": {1, 6.3}, "nchan-1": {3, 9},
		"nchan-2": {3.2, 9.5}, "node": {20, 12}, "r3labs": {4, 9}, "goroutines": {5, 8},
	}
	for i, s := range servers {
		c := cpu[s.name]
		slow := float64(1 + i)
		for range 3 {
			for _, sc := range []string{"fanout-10k", "fanout-1k", "throughput"} {
				b.add(sc, s.name, userCPU, c[0])
				b.add(sc, s.name, systemCPU, c[1])
				b.add(sc, s.name, totalCPU, c[0]+c[1])
				b.add(sc, s.name, p50, 10*slow)
				b.add(sc, s.name, p99, 100+10*slow)
				b.add(sc, s.name, deliveries, 1e6-1e4*slow)
				b.add(sc, s.name, lost, 0)
			}
			b.add("idle-memory", s.name, residentEach, 0.5*slow)
		}
	}
	return b
}

func find(t *testing.T, goals []goal, scenario, server string, m metric, bound bound) goal {
	t.Helper()
	for _, g := range goals {
		if g.Scenario == scenario && g.Server == server && g.What == m.name && g.Bound == bound {
			return g
		}
	}
	t.Fatalf("nothing is asked of %s, %s, %s", scenario, server, m.name)
	return goal{}
}

func TestLimitsComeFromTheOthers(t *testing.T) {
	goals := goalsOf(sample(), &fullSizes)
	for _, tc := range []struct {
		m     metric
		bound bound
		limit float64
		basis string
	}{
		{totalCPU, most, 1.2 * 6.4, "1.2 x floor"},
		{userCPU, most, 0.4 + 1, "floor + 1 us"},
		{totalCPU, below, 12, "the best peer, nchan, 1 worker"},
		{p99, below, 140, "the best peer, nchan, 1 worker"},
		{p99, most, 1.3 * 110, "1.3 x floor"},
	} {
		g := find(t, goals, "fanout-10k", "feedd-memory", tc.m, tc.bound)
		if math.Abs(g.Limit-tc.limit) > 1e-9 || g.Basis != tc.basis || !g.Reached {
			t.Errorf("%s: %+v, want %v (%s), reached", tc.m.name, g, tc.limit, tc.basis)
		}
	}
	if g := find(t, goals, "throughput", "feedd-memory", deliveries, least); g.Limit != 900_000 || !g.Reached {
		t.Errorf("%+v", g)
	}
	if g := find(t, goals, "idle-memory", "feedd-sqlite", residentEach, most); g.Value != 1.5 || !g.Reached {
		t.Errorf("%+v", g)
	}
}

func TestGoalsAreMissed(t *testing.T) {
	b := sample()
	for range 3 {
		b.add("idle-cpu", heartbeats[1].row, idleLoad, 2)
		b.add("stalled", withoutStalled, tcpPeak, 100)
		b.add("stalled", withStalled, tcpPeak, 351)
		b.add("stalled", withStalled, cutSeen, 999)
		b.add("polling", streamRow(servers[1]), lastHad, 60)
		b.add("polling", pollRow(servers[1]), lastHad, 181)
		b.add("polling", pollRow(servers[1]), residentEach, 30)
		b.add("polling", pollRow(servers[1]), residentThen, 31)
		b.add("feeds", oneFeedMany, deliveryCPU, 5)
		b.add("feeds", manyFeeds, deliveryCPU, 10)
	}
	b.add("storm", "feedd-memory", lost, 1)
	b.add("fanout-1k", "node", lost, 5)
	goals := goalsOf(b, &fullSizes)
	for _, tc := range []struct {
		scenario, server string
		m                metric
		bound            bound
		limit            float64
		reached          bool
	}{
		{"idle-cpu", heartbeats[1].row, idleLoad, below, 2, false}, // it must be below
		{"stalled", withStalled, tcpPeak, most, 350, false},
		{"stalled", withStalled, cutSeen, least, 1000, false},
		{"feeds", manyFeeds, deliveryCPU, most, 10, true},
		{"polling", pollRow(servers[1]), lastHad, most, 180, false},
		{"polling", pollRow(servers[1]), residentEach, most, 30, true},
		{"polling", pollRow(servers[1]), residentThen, most, 30, false},
		{"storm", "feedd-memory", lost, most, 0, false},
	} {
		if g := find(t, goals, tc.scenario, tc.server, tc.m, tc.bound); g.Limit != tc.limit || g.Reached != tc.reached {
			t.Errorf("%+v, want the limit %v, reached %v", g, tc.limit, tc.reached)
		}
	}
	for _, g := range goals {
		if roleOf(g.Server) != ours {
			t.Errorf("something is asked of a peer: %+v", g)
		}
	}
	r := &report{Goals: goals, Figures: b.figures}
	if r.reached() {
		t.Error("a report with missed goals says that all were reached")
	}
}

func TestWhatWasNotMeasuredAsksNothing(t *testing.T) {
	if goals := goalsOf(&board{}, &fullSizes); len(goals) > 0 {
		t.Errorf("%+v", goals)
	}
	b := &board{}
	b.add("fanout-10k", "feedd-memory", p99, 1)
	if goals := goalsOf(b, &fullSizes); len(goals) > 0 {
		t.Errorf("without floor and peers: %+v", goals)
	}
}

func TestFaultsThatDidNotHappenAreOneLine(t *testing.T) {
	b := sample()
	b.add("throughput", "feedd-memory", lost, 3)
	r := &report{Goals: goalsOf(b, &fullSizes), Figures: b.figures}
	lines := 0
	for _, g := range r.shownGoals() {
		if strings.HasPrefix(g.What, "runs in which") {
			lines++
			if g.Reached || g.Value != 1 {
				t.Errorf("%+v, want one run with a fault", g)
			}
		}
	}
	if lines != 1 {
		t.Errorf("%d lines, want 1", lines)
	}
}

func TestApart(t *testing.T) {
	// 10 s, of which 1,000 publishes took 1 ms each, for 9,000 deliveries.
	if x := apart(10, 0.001, 1000, 9000); math.Abs(x-0.001) > 1e-12 {
		t.Errorf("a delivery took %v s, want 0.001", x)
	}
	if x := apart(1, 1, 1, 0); x != 0 {
		t.Errorf("no delivery took %v s", x)
	}
}
