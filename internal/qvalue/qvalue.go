// Package qvalue reads the header fields by which a client says what it takes, such
// as Accept and Accept-Encoding (RFC 9110, section 12.5).
package qvalue

import (
	"strconv"
	"strings"
)

// Element is one element of such a field.
type Element struct {
	Name string  // in lower case: a media range, a coding
	Q    float64 // its weight, 0 to 1; 0: the client does not take it
}

// Parse returns the elements of a field's values in order. A weight that cannot be
// read is 0. Other parameters are left out.
func Parse(values []string) []Element {
	var list []Element
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, parameters, _ := strings.Cut(part, ";")
		e := Element{Name: strings.ToLower(strings.TrimSpace(name)), Q: 1}
		if e.Name == "" {
			continue
		}
		for p := range strings.SplitSeq(parameters, ";") {
			if key, value, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(key, "q") {
				q, err := strconv.ParseFloat(value, 64)
				if err != nil || !(q >= 0 && q <= 1) {
					q = 0
				}
				e.Q = q
			}
		}
		list = append(list, e)
	}
	return list
}
