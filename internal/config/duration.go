package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time, never negative.
type Duration time.Duration

// Day is 24 hours.
const Day = Duration(24 * time.Hour)

// durationUnits are what String writes a duration in, largest first.
var durationUnits = []struct {
	name string
	span Duration
}{
	{"d", Day},
	{"h", Duration(time.Hour)},
	{"m", Duration(time.Minute)},
	{"s", Duration(time.Second)},
	{"ms", Duration(time.Millisecond)},
	{"us", Duration(time.Microsecond)},
	{"ns", 1},
}

// ParseDuration parses a duration as time.ParseDuration does, and also with
// whole days in front: 15s, 1h30m, 30d, 1d12h.
func ParseDuration(s string) (Duration, error) {
	negative := strings.HasPrefix(s, "-")
	rest := strings.TrimPrefix(s, "-")
	d, err := parseSpan(rest)
	switch {
	case err != nil && isNumber(s):
		return 0, fmt.Errorf("%q is no duration: it has no unit; write it as 30s, 720h or 30d", s)
	case err != nil:
		return 0, fmt.Errorf("%q is no duration; write it as 30s, 720h or 30d", s)
	case d < 0: // more than an int64 holds
		return 0, fmt.Errorf("%q is too long", s)
	case negative && d != 0:
		return 0, fmt.Errorf("%q is negative", s)
	case d == 0 && strings.ContainsAny(s, "123456789"):
		return 0, fmt.Errorf("%q is too short", s) // 0 has a meaning of its own
	}
	return d, nil
}

// parseSpan parses a duration without a sign. It returns -1 for one that is
// longer than a Duration holds.
func parseSpan(s string) (Duration, error) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		days, rest = "0", s
	} else if rest == "" {
		rest = "0"
	}
	if strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") && ok || strings.Trim(days, "0123456789") != "" {
		return 0, fmt.Errorf("bad duration %q", s)
	}
	n, err := strconv.ParseUint(days, 10, 64)
	if err != nil && days != "" {
		return -1, nil
	} else if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, err
	}
	if n > uint64((math.MaxInt64-Duration(d))/Day) {
		return -1, nil
	}
	return Duration(n)*Day + Duration(d), nil
}

// String returns the duration as a whole number of the largest unit that
// gives one, which ParseDuration reads back: 30d, 90s, 1500ms.
func (d Duration) String() string {
	if d == 0 {
		return "0"
	}
	for _, u := range durationUnits {
		if d%u.span == 0 {
			return strconv.FormatInt(int64(d/u.span), 10) + u.name
		}
	}
	panic("unreachable: every duration is a number of nanoseconds")
}

// MarshalText returns what String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d *Duration) set(text string) error { return parseInto(d, text, ParseDuration) }
