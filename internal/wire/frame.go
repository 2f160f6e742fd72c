package wire

import (
	"strconv"

	"feedd/internal/stream"
)

// AppendCursor appends a reader's position as a frame: {"cursor":"N"}.
func AppendCursor(dst []byte, id stream.ID) []byte {
	dst = append(dst, `{"cursor":`...)
	dst = appendID(dst, id)
	return append(dst, '}')
}

// AppendGap appends the notice of a loss (P4) as a frame, with the position of
// the reader that is told of it: {"gap":{...},"cursor":"N"}.
func AppendGap(dst []byte, g *stream.Gap) []byte {
	dst = append(dst, `{"gap":`...)
	dst = appendGap(dst, g)
	dst = append(dst, `,"cursor":`...)
	dst = appendID(dst, g.ID)
	return append(dst, '}')
}

// AppendClosing appends the notice of the end (P9) as a frame:
// {"closing":{...}}.
func AppendClosing(dst []byte, c stream.Closing) []byte {
	dst = append(dst, `{"closing":`...)
	dst = appendClosing(dst, c)
	return append(dst, '}')
}

func appendGap(dst []byte, g *stream.Gap) []byte {
	dst = append(dst, `{"after":`...)
	dst = appendQuoted(dst, []byte(g.After))
	dst = append(dst, `,"through":`...)
	dst = appendID(dst, g.Through)
	if g.Oldest != 0 {
		dst = append(dst, `,"oldest":`...)
		dst = appendID(dst, g.Oldest)
	}
	dst = append(dst, `,"reason":`...)
	dst = appendQuoted(dst, []byte(g.Reason))
	dst = append(dst, `,"feeds":[`...)
	for i, feed := range g.Feeds {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendQuoted(dst, []byte(feed))
	}
	return append(dst, "]}"...)
}

func appendClosing(dst []byte, c stream.Closing) []byte {
	dst = append(dst, `{"reason":`...)
	dst = appendQuoted(dst, []byte(c.Reason))
	if c.Cursor != 0 {
		dst = append(dst, `,"cursor":`...)
		dst = appendID(dst, c.Cursor)
	}
	dst = append(dst, `,"retry":`...)
	dst = appendMillis(dst, c.Retry)
	return append(dst, '}')
}

// appendID writes an id as a string: to clients it is opaque.
func appendID(dst []byte, id stream.ID) []byte {
	dst = append(dst, '"')
	dst = strconv.AppendInt(dst, int64(id), 10)
	return append(dst, '"')
}
