package units

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time, never negative. It can be the value of a flag.
type Duration time.Duration

// Day is 24 hours: no time zone is known here, so no day is shorter or longer.
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

// durationForm has the sign, the number of days, and what follows them, which is
// as [time.ParseDuration] reads it: both the sign µ and the Greek letter μ stand
// for micro there.
var durationForm = regexp.MustCompile(`^(-?)\+?(?:([0-9]+\.?[0-9]*|\.[0-9]+)d)?(0|(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))*)$`)

// ParseDuration parses a duration as [time.ParseDuration] does, and also with
// days, which come first: 15s, 1h30m, 30d, 1.5d, 1d12h. A plus may stand before
// it; a minus may do so only before zero. What is above zero becomes at least
// 1ns, because zero often has a meaning of its own, such as no bound.
func ParseDuration(s string) (Duration, error) {
	// Most are as the standard library has them, and it is several times as fast
	// as the expression: a long poll says how long it waits in each request.
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return Duration(d), nil
	}
	form := durationForm.FindStringSubmatch(s)
	switch {
	case form == nil && isNumber(s):
		return 0, fmt.Errorf("%s is no duration: it has no unit; write it as 30s, 720h or 30d", quote(s))
	case form == nil || form[2]+form[3] == "":
		return 0, fmt.Errorf("%s is no duration; write it as 30s, 720h or 30d", quote(s))
	}
	var days, rest time.Duration
	var err error
	if form[2] != "" {
		// Parsed as hours, so that fractions are as exact as those of hours.
		days, err = time.ParseDuration(form[2] + "h")
	}
	if err == nil && form[3] != "" {
		rest, err = time.ParseDuration(form[3])
	}
	if err != nil || days > math.MaxInt64/24 || rest > math.MaxInt64-24*days {
		return 0, fmt.Errorf("%s is too long", quote(s))
	}
	d := Duration(24*days + rest)
	if d == 0 && strings.ContainsAny(s, "123456789") {
		d = 1
	}
	if form[1] != "" && d != 0 {
		return 0, fmt.Errorf("%s is negative", quote(s))
	}
	return d, nil
}

// String returns the duration as a whole number of the largest unit that gives
// one: 30d, 90s, 1500ms.
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

// UnmarshalText is ParseDuration; with an error d keeps its value.
func (d *Duration) UnmarshalText(text []byte) error { return assign(d, text, ParseDuration) }

// Set is UnmarshalText, for flags.
func (d *Duration) Set(s string) error { return d.UnmarshalText([]byte(s)) }

// Type is what a flag without a name for its value shows in its place.
func (d *Duration) Type() string { return "duration" }
