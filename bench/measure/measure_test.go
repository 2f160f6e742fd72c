package measure

import (
	"math"
	"testing"
)

func TestParseStat(t *testing.T) {
	busy, stole := parseStat("cpu  100 20 30 9000 800 4 6 50 70 0\ncpu0 1 2 3\n")
	if math.Abs(busy-1.6) > 1e-9 || stole != 0.5 {
		t.Errorf("busy %v s, stolen %v s; want 1.6, 0.5", busy, stole)
	}
	if busy, stole := parseStat("what"); busy != 0 || stole != 0 {
		t.Error(busy, stole)
	}
}

func TestChoose(t *testing.T) {
	all := []string{"a", "b", "c"}
	if list, err := Choose("c,a", all); err != nil || len(list) != 2 || !Wanted(list, "a") || Wanted(list, "b") {
		t.Error(list, err)
	}
	if list, err := Choose("", all); err != nil || !Wanted(list, "b") {
		t.Error(list, err)
	}
	if _, err := Choose("a,x", all); err == nil {
		t.Error("x was taken")
	}
}
