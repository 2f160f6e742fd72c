package main

import (
	"fmt"
	"strings"
)

func format(x float64, unit string) string {
	if strings.HasPrefix(unit, "%") || strings.HasPrefix(unit, "/") {
		return number(x) + unit
	}
	return strings.TrimSpace(number(x) + " " + unit)
}

// number prints three digits that matter, or more, with thousands set off.
func number(x float64) string {
	if max(x, -x) < 100 {
		return fmt.Sprintf("%.3g", x)
	}
	s := fmt.Sprintf("%.0f", x)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func numbers(list []float64) string {
	text := make([]string, len(list))
	for i, x := range list {
		text[i] = number(x)
	}
	return strings.Join(text, " ")
}
