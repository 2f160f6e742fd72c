package main

import (
	"slices"
	"testing"

	"feedd/bench/measure"
)

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1}, 1}, // the lower one
		{[]float64{5, 1, 3}, 3},
		{[]float64{5, 1, 3, 2, 100}, 3},
	} {
		before := slices.Clone(tc.values)
		if got := measure.Median(tc.values); got != tc.want {
			t.Errorf("measure.Median(%v) = %v, want %v", tc.values, got, tc.want)
		}
		if !slices.Equal(before, tc.values) {
			t.Errorf("median changed %v", before)
		}
	}
}

func TestFiguresAreMediansAndFaultsTheWorst(t *testing.T) {
	var b board
	for _, x := range []float64{0, 7, 0} {
		b.add("fanout-10k", "node", p99, x+1)
		b.add("fanout-10k", "node", lost, x)
	}
	if x, ok := b.value("fanout-10k", "node", p99); !ok || x != 1 {
		t.Errorf("the p99 is %v, %v", x, ok)
	}
	if x, ok := b.value("fanout-10k", "node", lost); !ok || x != 7 {
		t.Errorf("lost are %v, %v", x, ok)
	}
	if _, ok := b.value("fanout-1k", "node", p99); ok {
		t.Error("there is a figure that was not measured")
	}
	if n := len(b.figures); n != 2 {
		t.Errorf("%d figures, want 2", n)
	}
}
