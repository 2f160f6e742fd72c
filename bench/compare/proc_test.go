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

func TestParseStat(t *testing.T) {
	busy, stole := parseStat("cpu  100 20 30 9000 800 4 6 50 70 0\ncpu0 1 2 3\n")
	if math.Abs(busy-1.6) > 1e-9 || stole != 0.5 {
		t.Errorf("busy %v s, stolen %v s; want 1.6, 0.5", busy, stole)
	}
	if busy, stole := parseStat("what"); busy != 0 || stole != 0 {
		t.Error(busy, stole)
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

func TestChoose(t *testing.T) {
	all := []string{"a", "b", "c"}
	if list, err := choose("c,a", all); err != nil || len(list) != 2 || !wanted(list, "a") || wanted(list, "b") {
		t.Error(list, err)
	}
	if list, err := choose("", all); err != nil || !wanted(list, "b") {
		t.Error(list, err)
	}
	if _, err := choose("a,x", all); err == nil {
		t.Error("x was taken")
	}
}
