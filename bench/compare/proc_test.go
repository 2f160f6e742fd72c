package main

import (
	"math"
	"testing"
)

func TestParseSockstat(t *testing.T) {
	n := parseSockstat("sockets: used 226\nTCP: inuse 8 orphan 1 tw 2 alloc 12 mem 3\nUDP: inuse 1 mem 9\n")
	if n["tw"] != 2 || n["orphan"] != 1 || n["mem"] != 3 || n["inuse"] != 8 {
		t.Errorf("%v", n)
	}
	if n := parseSockstat(""); n["tw"] != 0 {
		t.Errorf("%v", n)
	}
}

func TestParseMetric(t *testing.T) {
	text := "# HELP a_total x\na_total 12\na_total_more 3\nb{x=\"1\"} 4\n"
	if x := parseMetric(text, "a_total"); x != 12 {
		t.Error(x)
	}
	for _, name := range []string{"a", "b", "c"} {
		if x := parseMetric(text, name); !math.IsNaN(x) {
			t.Errorf("%s is %v", name, x)
		}
	}
}
