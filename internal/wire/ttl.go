package wire

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"feedd/internal/clip"
)

// MaxTTL is the longest ttl of an item: 100 years.
const MaxTTL = 36525 * 24 * time.Hour

// ParseTTL reads how long an item lives: a duration (see [ParseDuration])
// above 0 and of at most [MaxTTL].
func ParseTTL(s string) (time.Duration, error) {
	d, err := ParseDuration(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("bad ttl: %w", err)
	case d == 0:
		return 0, errors.New("bad ttl: it must be above 0")
	case d > MaxTTL:
		return 0, errors.New("bad ttl: it must be at most 100 years")
	}
	return d, nil
}

// ParseDuration reads a duration as [time.ParseDuration] does, with days of 24
// hours besides, which come first: 90s, 1h30m, 7d, 1d12h. It takes no sign.
func ParseDuration(s string) (time.Duration, error) {
	const longest = 64
	if len(s) > longest {
		return 0, fmt.Errorf("the duration has more than %d characters", longest)
	}
	if strings.ContainsAny(s, "+-") {
		return 0, errDuration(s)
	}
	count, rest, hasDays := strings.Cut(s, "d")
	if !hasDays {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, errDuration(s)
		}
		return d, nil
	}
	if strings.Trim(count, "0123456789.") != "" {
		return 0, errDuration(s)
	}
	days, err := time.ParseDuration(count + "h")
	if err != nil || days > math.MaxInt64/24 {
		return 0, errDuration(s)
	}
	days *= 24
	if rest == "" {
		return days, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d > math.MaxInt64-days {
		return 0, errDuration(s)
	}
	return days + d, nil
}

func errDuration(s string) error {
	return fmt.Errorf("bad duration %q: it must be such as 90s, 15m, 1h30m, 7d or 1d12h", clip.Text(s))
}
