package wire

import (
	"bytes"
	"strconv"
	"time"

	"feedd/internal/stream"
)

// AppendSSE appends the item as an event: its name if it has one, a data
// line for each line of its data (split at CRLF, CR and LF), and its id last.
func AppendSSE(dst []byte, it *stream.Item) []byte {
	dst = appendEventName(dst, it.Event)
	dst = appendDataLines(dst, it.Data)
	return AppendSSEPosition(dst, it.ID)
}

// AppendSSEEnvelope is [AppendSSE] with the item's envelope for its data.
func AppendSSEEnvelope(dst []byte, it *stream.Item) []byte {
	return AppendSSEFrame(appendEventName(dst, it.Event), it)
}

// AppendSSEOpening appends the block that opens a stream: how long the reader
// waits before it comes back, in whole milliseconds, and its position. Without
// data it fires no message in the page, and yet sets the last event id (HTML
// standard, 9.2.6, "dispatch the event").
func AppendSSEOpening(dst []byte, id stream.ID, retry time.Duration) []byte {
	dst = appendRetry(dst, retry)
	return AppendSSEPosition(dst, id)
}

// AppendSSEPosition appends a block of an id only: it moves the reader's
// position and fires no message.
func AppendSSEPosition(dst []byte, id stream.ID) []byte {
	dst = append(dst, "id: "...)
	dst = strconv.AppendInt(dst, int64(id), 10)
	return append(dst, "\n\n"...)
}

// AppendSSEComment appends the heartbeat, which readers ignore.
func AppendSSEComment(dst []byte) []byte { return append(dst, ":\n\n"...) }

// AppendSSEGap appends the notice of a loss (P4), with the position of the
// reader that is told of it.
func AppendSSEGap(dst []byte, g *stream.Gap) []byte {
	dst = append(dst, "event: gap\ndata: "...)
	dst = appendGap(dst, g)
	dst = append(dst, '\n')
	return AppendSSEPosition(dst, g.ID)
}

// AppendSSEClosing appends the notice that the server ends the stream (P9),
// with the time to wait in the same block, and the reader's position last
// if it has one.
func AppendSSEClosing(dst []byte, c stream.Closing) []byte {
	dst = append(dst, "event: closing\ndata: "...)
	dst = appendClosing(dst, c)
	dst = append(dst, '\n')
	return endClosing(dst, c)
}

// The functions below make events without names, whose data are the frames of
// NDJSON and WebSocket. A page hears all of these with one listener, even the
// opening and the heartbeat, which it cannot see otherwise.

// AppendSSEFrame appends the item as a message with its envelope.
func AppendSSEFrame(dst []byte, it *stream.Item) []byte {
	dst = append(dst, "data: "...)
	dst = AppendEnvelope(dst, it)
	dst = append(dst, '\n')
	return AppendSSEPosition(dst, it.ID)
}

// AppendSSECursor appends the reader's position as a message.
func AppendSSECursor(dst []byte, id stream.ID) []byte {
	dst = append(dst, "data: "...)
	dst = AppendCursor(dst, id)
	dst = append(dst, '\n')
	return AppendSSEPosition(dst, id)
}

// AppendSSECursorOpening is [AppendSSEOpening] as a message.
func AppendSSECursorOpening(dst []byte, id stream.ID, retry time.Duration) []byte {
	return AppendSSECursor(appendRetry(dst, retry), id)
}

// AppendSSEGapFrame is [AppendSSEGap] as a message.
func AppendSSEGapFrame(dst []byte, g *stream.Gap) []byte {
	dst = append(dst, "data: "...)
	dst = AppendGap(dst, g)
	dst = append(dst, '\n')
	return AppendSSEPosition(dst, g.ID)
}

// AppendSSEClosingFrame is [AppendSSEClosing] as a message.
func AppendSSEClosingFrame(dst []byte, c stream.Closing) []byte {
	dst = append(dst, "data: "...)
	dst = AppendClosing(dst, c)
	dst = append(dst, '\n')
	return endClosing(dst, c)
}

// endClosing ends the event of a closing: when to come back, and the reader's
// position last if it has one.
func endClosing(dst []byte, c stream.Closing) []byte {
	dst = appendRetry(dst, c.Retry)
	if c.Cursor == 0 {
		return append(dst, '\n')
	}
	return AppendSSEPosition(dst, c.Cursor)
}

func appendEventName(dst []byte, name string) []byte {
	if name == "" {
		return dst
	}
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	return append(dst, '\n')
}

// appendDataLines always writes one space after the colon: a reader strips one,
// so without it a line that starts with a space would lose that.
func appendDataLines(dst, data []byte) []byte {
	for {
		upToLF, rest, more := bytes.Cut(data, lf)
		if more {
			upToLF = bytes.TrimSuffix(upToLF, cr)
		}
		for {
			line, after, again := bytes.Cut(upToLF, cr)
			dst = append(dst, "data: "...)
			dst = append(dst, line...)
			dst = append(dst, '\n')
			if !again {
				break
			}
			upToLF = after
		}
		if !more {
			return dst
		}
		data = rest
	}
}

var lf, cr = []byte{'\n'}, []byte{'\r'}

func appendRetry(dst []byte, retry time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = appendMillis(dst, retry)
	return append(dst, '\n')
}

// appendMillis writes digits only: readers ignore a retry with anything else,
// a sign too.
func appendMillis(dst []byte, d time.Duration) []byte {
	return strconv.AppendInt(dst, max(0, d.Milliseconds()), 10)
}
