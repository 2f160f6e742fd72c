// Package wire holds feedd's codecs, both ways: what subscribers are sent (SSE,
// NDJSON, WebSocket frames, JSON pages), what publishers send (JSON, text,
// forms, batches), and what a client reads back.
//
// # Encoding
//
// The Append functions append to dst and return it. They do not fail, and for
// items allocate nothing but what dst needs to grow. They trust what the core
// has checked: the characters of feed and event names, and that data is not
// empty and, if it is JSON, without insignificant whitespace.
//
// An item is encoded to the same bytes each time, so that the rest of a half
// written event can be encoded again.
//
// One envelope, on one line, is the form of an item everywhere but in plain
// SSE:
//
//	{"id":"1763792000000001","feed":"news","event":"goal","time":"2026-11-22T06:13:20.000001Z","data":{"a":1}}
//
// Text is always a JSON string there, also when it looks like JSON. So a JSON
// item that is a string and a text item print alike, and an envelope that is
// published again becomes text; all other items come through unchanged.
//
// In an SSE block the id stands last (P3): a stream that is cut in the middle
// of an event must not make a client resume behind an item it has not
// delivered. SSE cannot carry a CR: every line break of the data arrives as LF.
//
// # Decoding
//
// The Parse functions read the bodies of publishes. They take time and memory
// in proportion to the body, whose size their caller bounds. The drafts are
// copies, each of its own size, so that a small item that is retained does not
// hold the body of a large batch (P6). Faults are a [*SyntaxError], a
// [*TooManyError] or [ErrEmpty].
//
// JSON is what RFC 8259 says, in UTF-8, nested at most [MaxDepth] deep. Numbers
// and strings are kept byte for byte, also a lone surrogate escape, and
// repeated names are kept.
package wire
