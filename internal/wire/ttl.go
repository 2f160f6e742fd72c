package wire

import (
	"errors"
	"fmt"
	"time"

	"feedd/internal/units"
)

// MaxTTL is the longest ttl of an item: 100 years, so that its end still is a
// year of four digits.
const MaxTTL = 36525 * 24 * time.Hour

// ParseTTL reads how long an item lives: a duration (see [units.ParseDuration])
// above 0 and of at most [MaxTTL].
func ParseTTL(s string) (time.Duration, error) {
	d, err := units.ParseDuration(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("bad ttl: %w", err)
	case d == 0:
		return 0, errors.New("bad ttl: it must be above 0")
	case time.Duration(d) > MaxTTL:
		return 0, errors.New("bad ttl: it must be at most 100 years")
	}
	return time.Duration(d), nil
}
