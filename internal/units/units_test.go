package units_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"feedd/internal/units"
)

func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		text, print string
		want        units.Size
	}{
		{"0", "0", 0}, {"1", "1", 1}, {"512", "512", 512}, {"1B", "1", 1}, {"1023", "1023", 1023}, {"1024", "1KiB", 1 << 10},
		{"64MiB", "64MiB", 64 << 20}, {"64 MiB", "64MiB", 64 << 20}, {"64mib", "64MiB", 64 << 20}, {"16GiB", "16GiB", 16 << 30},
		{"1MB", "1MB", 1e6}, {"1kB", "1KB", 1e3}, {"1000KB", "1MB", 1e6}, {"1536KiB", "1536KiB", 1536 << 10}, {"1TB", "1TB", 1e12}, {"2TiB", "2TiB", 2 << 40},
		{"9223372036854775807", "9223372036854775807", math.MaxInt64}, {"007", "7", 7},
	} {
		got, err := units.ParseSize(tt.text)
		if err != nil || got != tt.want || got.String() != tt.print {
			t.Errorf("%q: %d, %s, %v; want %d, %s", tt.text, got, got, err, tt.want, tt.print)
		}
	}
	for _, text := range []string{"", " ", "MiB", "1.5MiB", "-1", "-1MiB", "- 1", "+1", "1M", "1X", "1e6", "0x10", "1_000", "1 2", "MiB1", "1MiBMiB", "9223372036854775808", "8388608TiB", "99999999999999999999"} {
		if got, err := units.ParseSize(text); err == nil {
			t.Errorf("%q is taken as %d", text, got)
		}
	}
}

func TestDurations(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		text, print string
		want        time.Duration
	}{
		{"0", "0", 0}, {"0s", "0", 0}, {"0d", "0", 0}, {"-0", "0", 0}, {"-0s", "0", 0}, {"-0d", "0", 0}, {"+0", "0", 0}, {"-+0", "0", 0},
		{"15s", "15s", 15 * time.Second}, {"25s", "25s", 25 * time.Second}, {"90s", "90s", 90 * time.Second}, {"1m30s", "90s", 90 * time.Second},
		{"1h30m", "90m", 90 * time.Minute}, {"1.5h", "90m", 90 * time.Minute}, {"1.5s", "1500ms", 1500 * time.Millisecond}, {"1500ms", "1500ms", 1500 * time.Millisecond},
		{".5h", "30m", 30 * time.Minute}, {"1.h", "1h", time.Hour}, {"1us", "1us", 1000}, {"1µs", "1us", 1000}, {"1μs", "1us", 1000}, {"1ns", "1ns", 1},
		{"720h", "30d", 30 * day}, {"30d", "30d", 30 * day}, {"7d", "7d", 7 * day}, {"36h", "36h", 36 * time.Hour}, {"1d12h", "36h", 36 * time.Hour}, {"1d0", "1d", day},
		{"1d1ns", "86400000000001ns", day + 1}, {"0.5d", "12h", 12 * time.Hour}, {"1.5d", "36h", 36 * time.Hour}, {".5d", "12h", 12 * time.Hour}, {"1.d", "1d", day},
		{"1.5d12h", "2d", 2 * day}, {"+1h", "1h", time.Hour}, {"+1.5d", "36h", 36 * time.Hour}, {"007d", "7d", 7 * day},
		{"106751d", "106751d", 106751 * day}, {"9223372036854775807ns", "9223372036854775807ns", math.MaxInt64}, {"106751d23h47m16.854775807s", "9223372036854775807ns", math.MaxInt64},
		{"0.1ns", "1ns", 1}, {"0.00000000000001d", "1ns", 1}, // never zero
		{strings.Repeat("0", 100) + "1s", "1s", time.Second},
	} {
		got, err := units.ParseDuration(tt.text)
		if err != nil || time.Duration(got) != tt.want || got.String() != tt.print {
			t.Errorf("%q: %d, %s, %v; want %d, %s", tt.text, got, got, err, tt.want, tt.print)
		}
	}
}

func TestWhatIsNoDuration(t *testing.T) {
	const form = "; write it as 30s, 720h or 30d"
	for text, want := range map[string]string{
		"15": "is no duration: it has no unit" + form, "1": "is no duration: it has no unit" + form, "": "is no duration" + form,
		"-1s": "is negative", "-1d": "is negative", "-0.1ns": "is negative", "-+1s": "is negative",
		"106752d": "is too long", "106751d24h": "is too long", "99999999999999999999d": "is too long", "999999999999999999d": "is too long", "3000000h": "is too long", "9223372036854775808ns": "is too long",
		strings.Repeat("1", 1000) + "s": "is too long",
	} {
		got, err := units.ParseDuration(text)
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q is taken as %s, %v; want that it %s", text, got, err, want)
		} else if len(err.Error()) > 200 {
			t.Errorf("the error about %d characters has %d", len(text), len(err.Error()))
		}
	}
	for _, text := range []string{
		"-", "+", "d", "d1h", ".d", "fast", "1x", "7D", "1w", "1y", "--1s", "+-1s", "1d-1h", "1d+1h", "1h1d", "12h1d", "1d1d", "1dd", "1d5", "1h3d", "1e3d", "1.2.3d", "00", "1d00",
		" 1d", "1d ", "1 d", "1d 2h", "1s\n",
	} {
		if got, err := units.ParseDuration(text); err == nil || !strings.Contains(err.Error(), "is no duration") {
			t.Errorf("%q is taken as %s, %v", text, got, err)
		}
	}
}

// What is printed is read as what it was, by this package and, where there are
// no days in it, by the standard library.
func TestWhatIsPrintedIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(0, 62).Draw(t, "bits")
		n := rapid.Int64Range(0, 1<<bits).Draw(t, "n")
		unit := rapid.SampledFrom([]int64{1, 1000, 1024, 1e6, 1e9, 60e9, 3600e9, 86400e9, 1 << 20, 1 << 40}).Draw(t, "unit")
		if n > math.MaxInt64/unit {
			unit = 1
		}
		n *= unit
		d, size := units.Duration(n), units.Size(n)
		if back, err := units.ParseDuration(d.String()); err != nil || back != d {
			t.Errorf("%s (%d) is read as %s, %v", d, n, back, err)
		}
		if back, err := units.ParseDuration(time.Duration(n).String()); err != nil || back != d {
			t.Errorf("%s of the standard library is read as %s, %v", time.Duration(n), back, err)
		}
		if back, err := units.ParseSize(size.String()); err != nil || back != size {
			t.Errorf("%s (%d) is read as %s, %v", size, n, back, err)
		}
	})
}

func TestAsTextAndAsFlags(t *testing.T) {
	d, size := units.Day, units.MiB
	if d.UnmarshalText([]byte("soon")) == nil || d.Set("-1s") == nil || size.UnmarshalText([]byte("1M")) == nil || d != units.Day || size != units.MiB {
		t.Errorf("a bad text changed the value to %s or %s, or there is no error", d, size)
	}
	if d.Set("90s") != nil || size.UnmarshalText([]byte("1GB")) != nil || d != units.Duration(90*time.Second) || size != 1e9 {
		t.Errorf("%s, %s", d, size)
	}
	duration, _ := d.MarshalText()
	bytes, _ := size.MarshalText()
	if string(duration) != "90s" || string(bytes) != "1GB" {
		t.Errorf("%s, %s", duration, bytes)
	}
}

func FuzzSize(f *testing.F) {
	for _, s := range []string{"0", "64MiB", "1 kB", "-1", "9223372036854775807", "8388608TiB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := units.ParseSize(s)
		if err != nil {
			return
		}
		if back, err := units.ParseSize(v.String()); v < 0 || err != nil || back != v || len(v.String()) > len(s) {
			t.Errorf("%q is %d, printed %s, read as %d, %v", s, int64(v), v, back, err)
		}
	})
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"0", "30d", "7d", "1d12h", "1.5d", "+1h", "720h", "1.5h", "-1s", "-1d", "106751d23h", "106751d23h47m16.854775807s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := units.ParseDuration(s)
		if err != nil {
			return
		}
		if v < 0 || v == 0 && strings.ContainsAny(s, "123456789") {
			t.Errorf("%q is %d", s, int64(v))
		}
		if back, err := units.ParseDuration(v.String()); err != nil || back != v {
			t.Errorf("%q is %d, printed %s, read as %d, %v", s, int64(v), v, back, err)
		}
		if back, err := units.ParseDuration(time.Duration(v).String()); err != nil || back != v {
			t.Errorf("%q is %s, read as %d, %v", s, time.Duration(v), back, err)
		}
	})
}
