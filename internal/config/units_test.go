package config_test

import (
	"math"
	"testing"
	"time"

	"feedd/internal/config"
)

func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		text, print string
		want        config.Size
	}{
		{"0", "0", 0}, {"1", "1", 1}, {"512", "512", 512}, {"1B", "1", 1}, {"1023", "1023", 1023}, {"1024", "1KiB", 1 << 10},
		{"64MiB", "64MiB", 64 << 20}, {"64 MiB", "64MiB", 64 << 20}, {"64mib", "64MiB", 64 << 20}, {"16GiB", "16GiB", 16 << 30},
		{"1MB", "1MB", 1e6}, {"1kB", "1KB", 1e3}, {"1000KB", "1MB", 1e6}, {"1536KiB", "1536KiB", 1536 << 10}, {"1TB", "1TB", 1e12}, {"2TiB", "2TiB", 2 << 40},
		{"9223372036854775807", "9223372036854775807", math.MaxInt64}, {"007", "7", 7},
	} {
		got, err := config.ParseSize(tt.text)
		if err != nil || got != tt.want || got.String() != tt.print {
			t.Errorf("%q: %d, %s, %v; want %d, %s", tt.text, got, got, err, tt.want, tt.print)
		}
	}
	for _, text := range []string{"", " ", "MiB", "1.5MiB", "-1", "-1MiB", "- 1", "+1", "1M", "1X", "1e6", "0x10", "1_000", "1 2", "MiB1", "1MiBMiB", "9223372036854775808", "8388608TiB", "99999999999999999999"} {
		if got, err := config.ParseSize(text); err == nil {
			t.Errorf("%q is taken as %d", text, got)
		}
	}
}

func TestDurations(t *testing.T) {
	for _, tt := range []struct {
		text, print string
		want        time.Duration
	}{
		{"0", "0", 0}, {"0s", "0", 0}, {"-0", "0", 0}, {"0d", "0", 0}, {"15s", "15s", 15 * time.Second}, {"90s", "90s", 90 * time.Second}, {"1m30s", "90s", 90 * time.Second},
		{"720h", "30d", 720 * time.Hour}, {"30d", "30d", 720 * time.Hour}, {"36h", "36h", 36 * time.Hour}, {"1d12h", "36h", 36 * time.Hour},
		{"1.5h", "90m", 90 * time.Minute}, {"1500ms", "1500ms", 1500 * time.Millisecond}, {"1us", "1us", 1000}, {"1µs", "1us", 1000}, {"1ns", "1ns", 1},
		{"106751d", "106751d", 106751 * 24 * time.Hour}, {"9223372036854775807ns", "9223372036854775807ns", math.MaxInt64},
	} {
		got, err := config.ParseDuration(tt.text)
		if err != nil || time.Duration(got) != tt.want || got.String() != tt.print {
			t.Errorf("%q: %d, %s, %v; want %d, %s", tt.text, got, got, err, tt.want, tt.print)
		}
	}
	for _, text := range []string{"", "-", "d", "fast", "15", "1.5d", "-1s", "-1d", "1d-1h", "1d+1h", "--1s", "-+1s", "1h1d", "1dd", "d1h", "1 d", "106752d", "106751d24h", "99999999999999999999d", "0.1ns", "9223372036854775808ns", "1w"} {
		if got, err := config.ParseDuration(text); err == nil {
			t.Errorf("%q is taken as %s", text, got)
		}
	}
}
