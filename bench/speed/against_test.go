package main

import "testing"

// TestInterval checks the places against the tables of the sign test: of ten
// values the second and the ninth hold the median in 97.9 of 100 cases, the
// third and the eighth in 89.1.
func TestInterval(t *testing.T) {
	for _, c := range []struct{ n, low, high int }{
		{1, 0, 0}, {5, 0, 4}, {6, 0, 5}, {8, 0, 7}, {9, 1, 7}, {10, 1, 8}, {12, 2, 9}, {20, 5, 14},
	} {
		if low, high := interval(c.n); low != c.low || high != c.high {
			t.Errorf("interval(%d) = %d, %d, want %d, %d", c.n, low, high, c.low, c.high)
		}
	}
}

func TestCosts_WithinIsOfTheMedianOfPairs(t *testing.T) {
	c := &costs{pairs: 4}
	for _, x := range []float64{1.00, 1.02, 1.04, 9} { // one pair had bad luck
		c.note(false, "what", "us", 2)
		c.note(true, "what", "us", 2*x)
	}
	if !c.reached() {
		t.Error("a median of 1.03 is within 3 %")
	}
	c.list[0].new[0] = 2 * 1.05
	if c.reached() {
		t.Error("a median of 1.045 is not within 3 %")
	}
}
