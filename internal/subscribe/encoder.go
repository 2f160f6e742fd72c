package subscribe

import (
	"net/http"
	"net/url"
	"time"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

// Encoder is a format of streams.
type Encoder struct {
	stream.Encoding
	transport   string // as the list of subscribers has it
	contentType string // "" if there is none
}

var (
	sse         = newSSE(wire.AppendSSE)
	sseEnvelope = newSSE(wire.AppendSSEEnvelope)
	// sseFrames is for pages that cannot know all names of events: each event is
	// a message, and its data are the frame that WebSocket and NDJSON have.
	sseFrames = &Encoder{
		transport: "sse", contentType: "text/event-stream",
		Encoding: stream.Encoding{
			Items:   stream.NewFormat(wire.AppendSSEFrame),
			Opening: wire.AppendSSECursorOpening,
			Silence: func(dst []byte, at stream.ID, _ bool) []byte { return wire.AppendSSECursor(dst, at) },
			Gap:     wire.AppendSSEGapFrame,
			Closing: wire.AppendSSEClosingFrame,
		},
	}
	ndjson = &Encoder{
		transport: "ndjson", contentType: "application/x-ndjson",
		Encoding: stream.Encoding{
			Items:   stream.NewFormat(wire.AppendLine),
			Opening: func(dst []byte, at stream.ID, _ time.Duration) []byte { return wire.AppendCursorLine(dst, at) },
			Silence: func(dst []byte, at stream.ID, _ bool) []byte { return wire.AppendCursorLine(dst, at) },
			Gap:     wire.AppendGapLine,
			Closing: wire.AppendClosingLine,
		},
	}
)

func newSSE(appendItem func(dst []byte, it *stream.Item) []byte) *Encoder {
	return &Encoder{
		transport: "sse", contentType: "text/event-stream",
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

// setHeader sets the headers that make proxies pass a stream on at once and
// unchanged.
func (e *Encoder) setHeader(h http.Header) {
	h.Set("Content-Type", e.contentType)
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no")
}

// Frames is the format of streams over WebSocket: an envelope, or a notice, is
// a text frame. The envelopes are the lines of NDJSON.
var Frames = &Encoder{
	transport: "websocket",
	Encoding: stream.Encoding{
		Items:   ndjson.Items,
		Opening: func(dst []byte, at stream.ID, _ time.Duration) []byte { return wire.AppendCursor(dst, at) },
		Silence: func(dst []byte, at stream.ID, _ bool) []byte { return wire.AppendCursor(dst, at) },
		Gap:     wire.AppendGap,
		Closing: wire.AppendClosing,
	},
}

// sseOf says what the events of an SSE stream look like.
func sseOf(query url.Values) (*Encoder, error) {
	if query.Get("envelope") == "all" {
		return sseFrames, nil
	}
	envelope, err := flag(query, "envelope")
	if envelope {
		return sseEnvelope, err
	}
	return sse, err
}
