package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, never negative.
type Size int64

// Sizes in powers of 1024.
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
	unit, err := sizeUnit(s[len(number):])
	if err != nil {
		return 0, fmt.Errorf("%q is no size; write it as 512, 64MiB or 1MB", s)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64)
	switch {
	case strings.HasPrefix(number, "-") && isNumber(number[1:]):
		return 0, fmt.Errorf("%q is negative", s)
	case err != nil && !isNumber(number):
		return 0, fmt.Errorf("%q is no size; write it as 512, 64MiB or 1MB", s)
	case err != nil || n > uint64(math.MaxInt64/unit):
		return 0, fmt.Errorf("%q is too large", s)
	}
	return Size(n) * unit, nil
}

func sizeUnit(name string) (Size, error) {
	if name == "" {
		return 1, nil
	}
	for _, u := range sizeUnits {
		if strings.EqualFold(u.name, name) {
			return u.size, nil
		}
	}
	return 0, fmt.Errorf("unknown unit %q", name)
}

// String returns the size in its shortest exact form, which ParseSize reads
// back: 64MiB, 1MB, 1023.
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

func (s *Size) set(text string) error { return parseInto(s, text, ParseSize) }

// isNumber reports whether s is only digits, spaces around them aside.
func isNumber(s string) bool {
	s = strings.TrimSpace(s)
	return s != "" && strings.Trim(s, "0123456789") == ""
}
