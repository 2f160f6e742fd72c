package wire_test

import (
	"strings"
	"testing"
	"time"

	"feedd/internal/wire"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for _, tc := range []struct {
		s    string
		want time.Duration
	}{
		{"25s", 25 * time.Second},
		{"1h30m", 90 * time.Minute},
		{"1.5s", 1500 * time.Millisecond},
		{"7d", 7 * day},
		{"1d12h", 36 * time.Hour},
		{"1d1ns", day + 1},
		{"0.5d", 12 * time.Hour},
		{"0", 0},
		{"0d", 0},
		{"106751d", 106751 * day},
	} {
		if got, err := wire.ParseDuration(tc.s); err != nil || got != tc.want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", tc.s, got, err, tc.want)
		}
	}
	for _, s := range []string{
		"", "d", "1", "1x", "7D", "-1s", "+1s", "1d-1h", "-1d", "12h1d", "1d1d", "1d5", "1h3d", "1e3d",
		" 1d", "1d 2h", "106752d", "106751d24h", "999999999999999999d", "3000000h", "1y", "1w", ".d",
		strings.Repeat("1", 1000) + "s",
	} {
		if got, err := wire.ParseDuration(s); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", s, got)
		} else if len(err.Error()) > 300 {
			t.Errorf("ParseDuration of %d characters has an error of %d", len(s), len(err.Error()))
		}
	}
}

func TestParseTTL(t *testing.T) {
	for _, s := range []string{"1ns", "10m", "7d", "36525d"} {
		if got, err := wire.ParseTTL(s); err != nil || got <= 0 {
			t.Errorf("ParseTTL(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "0", "0s", "0.1ns", "-5m", "36525d1ns", "soon"} {
		if got, err := wire.ParseTTL(s); err == nil {
			t.Errorf("ParseTTL(%q) = %v, want an error", s, got)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"7d", "1d12h", "1.5h", "0", "-1d", "106751d23h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := wire.ParseDuration(s)
		if err != nil {
			return
		}
		if d < 0 {
			t.Fatalf("ParseDuration(%q) = %v", s, d)
		}
		if again, err := wire.ParseDuration(d.String()); err != nil || again != d {
			t.Errorf("%q is %v, which is %v, %v", s, d, again, err)
		}
	})
}
