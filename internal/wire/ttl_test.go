package wire_test

import (
	"testing"

	"feedd/internal/wire"
)

func TestParseTTL(t *testing.T) {
	for _, s := range []string{"1ns", "0.1ns", "+10m", "1.5d", "10m", "7d", "36525d"} {
		if got, err := wire.ParseTTL(s); err != nil || got <= 0 {
			t.Errorf("ParseTTL(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "0", "0s", "-0", "-5m", "36525d1ns", "soon"} {
		if got, err := wire.ParseTTL(s); err == nil {
			t.Errorf("ParseTTL(%q) = %v, want an error", s, got)
		}
	}
}
