package api

import (
	"net/http"
	"time"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

// encoder is what a stream looks like on the wire. All functions append to
// dst.
type encoder struct {
	contentType string
	items       *stream.Format
	// opening is what a stream begins with: the position where reading starts.
	opening func(dst []byte, at stream.ID, retry time.Duration) []byte
	// silence is the sign of life of a stream that had nothing to send. Moved
	// says that the position is another than the one that was told last, which
	// only happens on filtered selections.
	silence func(dst []byte, at stream.ID, moved bool) []byte
	gap     func(dst []byte, g *stream.Gap) []byte
	closing func(dst []byte, c wire.Closing) []byte
}

var (
	sse = encoder{
		contentType: "text/event-stream",
		items:       stream.NewFormat(wire.AppendSSE),
		opening:     wire.AppendSSEOpening,
		silence:     sseSilence,
		gap:         wire.AppendSSEGap,
		closing:     wire.AppendSSEClosing,
	}
	sseEnvelope = encoder{
		contentType: "text/event-stream",
		items:       stream.NewFormat(wire.AppendSSEEnvelope),
		opening:     wire.AppendSSEOpening,
		silence:     sseSilence,
		gap:         wire.AppendSSEGap,
		closing:     wire.AppendSSEClosing,
	}
	ndjson = encoder{
		contentType: "application/x-ndjson",
		items:       stream.NewFormat(wire.AppendLine),
		opening:     func(dst []byte, at stream.ID, _ time.Duration) []byte { return wire.AppendCursorLine(dst, at) },
		silence:     func(dst []byte, at stream.ID, _ bool) []byte { return wire.AppendCursorLine(dst, at) },
		gap:         wire.AppendGapLine,
		closing:     wire.AppendClosingLine,
	}
)

func sseSilence(dst []byte, at stream.ID, moved bool) []byte {
	if moved {
		return wire.AppendSSEPosition(dst, at)
	}
	return wire.AppendSSEComment(dst)
}

// setHeader sets what a stream's answer needs to come through proxies at once
// and unchanged.
func (e *encoder) setHeader(h http.Header) {
	h.Set("Content-Type", e.contentType)
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no")
}
