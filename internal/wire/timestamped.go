package wire

import (
	"bytes"
	"strconv"
	"strings"

	"feedd/internal/stream"
)

// The legacy server that feedd replaces gave each item as a JSON object with a
// member timestamp, in milliseconds, which was its cursor. Items of the same
// millisecond had the same one, so that some were lost or doubled. Here it has as
// many decimals as make it exact.

// AppendTimestamped appends the items as the legacy server's JSON array.
func AppendTimestamped(dst []byte, items []*stream.Item) []byte {
	dst = append(dst, '[')
	for i, it := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendTimestamped(dst, it)
	}
	return append(dst, ']')
}

// appendTimestamped appends an item: its own object, or an object with data
// if it is none. The timestamp stands last, so that it outranks one that the
// publisher gave (ECMA-262, JSON.parse: of a repeated name the last counts).
func appendTimestamped(dst []byte, it *stream.Item) []byte {
	switch {
	case it.JSON && len(it.Data) > len("{}") && it.Data[0] == '{':
		dst = append(dst, it.Data[:len(it.Data)-1]...)
		dst = append(dst, ',')
	case it.JSON && bytes.Equal(it.Data, []byte("{}")):
		dst = append(dst, '{')
	default:
		dst = append(dst, `{"data":`...)
		if it.JSON {
			dst = append(dst, it.Data...)
		} else {
			dst = appendQuoted(dst, it.Data)
		}
		dst = append(dst, ',')
	}
	dst = append(dst, `"timestamp":`...)
	dst = AppendTimestamp(dst, it.ID)
	return append(dst, '}')
}

// AppendTimestamp appends an id as the legacy server's timestamp: a thousandth of
// it, with at most three decimals. A JavaScript number holds it exactly enough
// to print it the same: below 2^43 the step of a double is under a thousandth.
func AppendTimestamp(dst []byte, id stream.ID) []byte {
	dst = strconv.AppendInt(dst, int64(id)/1000, 10)
	rest := int64(id) % 1000
	if rest == 0 {
		return dst
	}
	decimals := strconv.FormatInt(1000+rest, 10)[1:]
	dst = append(dst, '.')
	return append(dst, strings.TrimRight(decimals, "0")...)
}

// ParseTimestamp reads a timestamp: milliseconds with any number of decimals,
// of which those beyond the third are dropped. One that is later than every id
// is [stream.MaxID].
func ParseTimestamp(s string) (stream.ID, bool) {
	whole, decimals, _ := strings.Cut(s, ".")
	if whole == "" && decimals == "" {
		return 0, false
	}
	digits := strings.TrimLeft(whole+(decimals + "000")[:3], "0")
	if strings.Trim(whole+decimals, "0123456789") != "" {
		return 0, false
	}
	if digits == "" {
		return 0, true
	}
	n, err := strconv.ParseUint(digits, 10, 53)
	if err != nil {
		return stream.MaxID, true
	}
	return stream.ID(n), true
}
