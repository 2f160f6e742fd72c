package measure

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Format prints a figure with its unit.
func Format(x float64, unit string) string {
	if strings.HasPrefix(unit, "%") || strings.HasPrefix(unit, "/") {
		return Number(x) + unit
	}
	return strings.TrimSpace(Number(x) + " " + unit)
}

// Number prints three digits that matter, or more, with thousands set off.
func Number(x float64) string {
	if max(x, -x) < 100 {
		return fmt.Sprintf("%.3g", x)
	}
	s := fmt.Sprintf("%.0f", x)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Numbers prints the figures of all rounds.
func Numbers(list []float64) string {
	text := make([]string, len(list))
	for i, x := range list {
		text[i] = Number(x)
	}
	return strings.Join(text, " ")
}

// Yes prints whether a target was reached.
func Yes(ok bool) string {
	if ok {
		return "yes"
	}
	return "no"
}

// Median returns the middle of the values, the lower one of two; 0 for none.
func Median[T int | float64 | time.Duration](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}
