package wire

import (
	"bytes"
	"time"

	"feedd/internal/stream"
)

// AppendEnvelope appends the item's envelope, on one line and without a
// newline at its end. Data that is JSON stands in it as it is stored.
func AppendEnvelope(dst []byte, it *stream.Item) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendID(dst, it.ID)
	dst = append(dst, `,"feed":"`...)
	dst = append(dst, it.Feed...)
	if it.Event != "" {
		dst = append(dst, `","event":"`...)
		dst = append(dst, it.Event...)
	}
	dst = append(dst, `","time":"`...)
	dst = AppendTime(dst, it.Time)
	dst = append(dst, `","data":`...)
	if it.JSON {
		dst = appendOneLine(dst, it.Data)
	} else {
		dst = appendQuoted(dst, it.Data)
	}
	return append(dst, '}')
}

// AppendTime appends a time as feedd prints it everywhere: RFC 3339 in UTC with
// exactly six decimals. The year must have at most four digits.
func AppendTime(dst []byte, t time.Time) []byte {
	// By hand: time.AppendFormat costs more than the rest of an envelope.
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	micro := t.Nanosecond() / 1000
	start := len(dst)
	dst = append(dst, "0000-00-00T00:00:00.000000Z"...)
	b := dst[start:]
	put2(b, 0, year/100)
	put2(b, 2, year)
	put2(b, 5, int(month))
	put2(b, 8, day)
	put2(b, 11, hour)
	put2(b, 14, minute)
	put2(b, 17, second)
	put2(b, 20, micro/10000)
	put2(b, 22, micro/100)
	put2(b, 24, micro)
	return dst
}

// put2 writes the last two decimal digits of n.
func put2(b []byte, at, n int) {
	b[at] = '0' + byte(n/10%10)
	b[at+1] = '0' + byte(n%10)
}

// appendOneLine appends stored JSON. feedd stores JSON without line breaks;
// should a store have some all the same, one envelope must not become two
// lines. JSON can have line breaks only outside of strings, and there a space
// means the same.
func appendOneLine(dst, data []byte) []byte {
	start := len(dst)
	dst = append(dst, data...)
	if bytes.IndexByte(data, '\n') < 0 && bytes.IndexByte(data, '\r') < 0 {
		return dst
	}
	for i := start; i < len(dst); i++ {
		if dst[i] == '\n' || dst[i] == '\r' {
			dst[i] = ' '
		}
	}
	return dst
}
