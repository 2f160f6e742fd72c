package wire

import "feedd/internal/stream"

// AppendLine appends the item's envelope as a line of NDJSON.
func AppendLine(dst []byte, it *stream.Item) []byte {
	return append(AppendEnvelope(dst, it), '\n')
}

// AppendCursorLine is [AppendCursor] as a line: the opening and the heartbeat
// of an NDJSON stream.
func AppendCursorLine(dst []byte, id stream.ID) []byte {
	return append(AppendCursor(dst, id), '\n')
}

// AppendGapLine is [AppendGap] as a line.
func AppendGapLine(dst []byte, g *stream.Gap) []byte {
	return append(AppendGap(dst, g), '\n')
}

// AppendClosingLine is [AppendClosing] as a line.
func AppendClosingLine(dst []byte, c stream.Closing) []byte {
	return append(AppendClosing(dst, c), '\n')
}
