// Package units reads and writes durations and sizes as people write them. It is
// the only grammar of both: settings, query parameters, ttls and flags use it.
//
//	duration = [ sign ] ( "0" | [ number "d" ] { number ( "h" | "m" | "s" | "ms" | "us" | "µs" | "ns" ) } )
//	size     = digits [ spaces ] [ "B" | "KB" | "MB" | "GB" | "TB" | "KiB" | "MiB" | "GiB" | "TiB" ]
//
// A number may have a fraction. Units of sizes are in upper or lower case. No
// value is negative. What String returns is read back as the same value.
package units

import (
	"strconv"
	"strings"
)

// isNumber reports whether s is only digits, spaces around them aside.
func isNumber(s string) bool {
	s = strings.TrimSpace(s)
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// maxQuoted is how many bytes of a bad value are shown in its error: no value
// that could be meant is longer.
const maxQuoted = 64

// quote returns a value for an error message. It is short and one line, whatever
// a client sent.
func quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.Quote(strings.ToValidUTF8(s[:maxQuoted], "")) + "..."
	}
	return strconv.Quote(s)
}

// assign puts what parse makes of the text into dst, if there is no error.
func assign[T any](dst *T, text []byte, parse func(string) (T, error)) error {
	v, err := parse(string(text))
	if err == nil {
		*dst = v
	}
	return err
}
