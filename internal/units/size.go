package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, never negative.
type Size int64

// Powers of 1024 bytes.
const (
	KiB Size = 1 << (10 * (iota + 1))
	MiB
	GiB
	TiB
)

// sizeUnits are what a size may be written in, largest first.
var sizeUnits = []struct {
	name string
	size Size
}{
	{"TiB", TiB}, {"TB", 1e12}, {"GiB", GiB}, {"GB", 1e9}, {"MiB", MiB}, {"MB", 1e6}, {"KiB", KiB}, {"KB", 1e3}, {"B", 1},
}

// ParseSize parses a whole number of bytes, alone or with one of the units B,
// KB, MB, GB, TB (powers of 1000) and KiB, MiB, GiB, TiB (powers of 1024), in
// upper or lower case: 64MiB, 1MB, 512.
func ParseSize(s string) (Size, error) {
	number := strings.TrimRight(s, "BKMGTibkmgtI")
	unit, known := sizeUnit(s[len(number):])
	if !known {
		return 0, fmt.Errorf("%s is no size; write it as 512, 64MiB or 1MB", quote(s))
	}
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64)
	switch {
	case strings.HasPrefix(number, "-") && isNumber(number[1:]):
		return 0, fmt.Errorf("%s is negative", quote(s))
	case err != nil && !isNumber(number):
		return 0, fmt.Errorf("%s is no size; write it as 512, 64MiB or 1MB", quote(s))
	case err != nil || n > uint64(math.MaxInt64/unit):
		return 0, fmt.Errorf("%s is too large", quote(s))
	}
	return Size(n) * unit, nil
}

func sizeUnit(name string) (size Size, known bool) {
	if name == "" {
		return 1, true
	}
	for _, u := range sizeUnits {
		if strings.EqualFold(u.name, name) {
			return u.size, true
		}
	}
	return 0, false
}

// String returns the size in its shortest exact form: 64MiB, 1MB, 1023.
func (s Size) String() string {
	plain, short := strconv.FormatInt(int64(s), 10), ""
	for _, u := range sizeUnits {
		if s == 0 || s%u.size != 0 {
			continue
		}
		if t := strconv.FormatInt(int64(s/u.size), 10) + u.name; short == "" || len(t) < len(short) {
			short = t
		}
	}
	if short == "" || len(short) > len(plain) {
		return plain
	}
	return short
}

// MarshalText returns what String does.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseSize; with an error s keeps its value.
func (s *Size) UnmarshalText(text []byte) error { return assign(s, text, ParseSize) }
