package api

import (
	"net/http"
	"time"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

// encoder is a format of streams.
type encoder struct {
	stream.Encoding
	contentType string
}

var (
	sse         = newSSE(wire.AppendSSE)
	sseEnvelope = newSSE(wire.AppendSSEEnvelope)
	// sseFrames is for pages that cannot know all names of events: each event
	// is a message, and its data the frame that WebSocket and NDJSON have.
	sseFrames = &encoder{
		contentType: "text/event-stream",
		Encoding: stream.Encoding{
			Items:   stream.NewFormat(wire.AppendSSEFrame),
			Opening: wire.AppendSSECursorOpening,
			Silence: func(dst []byte, at stream.ID, _ bool) []byte { return wire.AppendSSECursor(dst, at) },
			Gap:     wire.AppendSSEGapFrame,
			Closing: wire.AppendSSEClosingFrame,
		},
	}
	ndjson = &encoder{
		contentType: "application/x-ndjson",
		Encoding: stream.Encoding{
			Items:   stream.NewFormat(wire.AppendLine),
			Opening: func(dst []byte, at stream.ID, _ time.Duration) []byte { return wire.AppendCursorLine(dst, at) },
			Silence: func(dst []byte, at stream.ID, _ bool) []byte { return wire.AppendCursorLine(dst, at) },
			Gap:     wire.AppendGapLine,
			Closing: wire.AppendClosingLine,
		},
	}
)

func newSSE(appendItem func(dst []byte, it *stream.Item) []byte) *encoder {
	return &encoder{
		contentType: "text/event-stream",
		Encoding: stream.Encoding{
			Items:   stream.NewFormat(appendItem),
			Opening: wire.AppendSSEOpening,
			Silence: sseSilence,
			Gap:     wire.AppendSSEGap,
			Closing: wire.AppendSSEClosing,
		},
	}
}

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
