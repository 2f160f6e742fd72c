package wire

import (
	"bytes"

	"feedd/internal/stream"
)

// How much memory parsing takes beside the body, in bytes on a 64-bit machine.
// These are upper bounds, because the real amount is known only when it is too
// late to refuse the body.
const (
	// draftCost is what a draft takes beside its bytes: 56 of its own, half as
	// much for the room that a growing slice has, and what the allocator rounds
	// up for its data and event.
	draftCost = 128
	// fieldCost is what a field of a form takes at most beside its bytes: its
	// place in the list and in the index, and its values.
	fieldCost = 320
)

// TextCost returns how much [ParseText] and [ParseJSON] take at most: a copy.
func TextCost(body []byte) int64 { return int64(len(body)) + draftCost }

// FormCost returns how much [ParseForm] takes at most: the unescaped values, and
// the item as it is made and once more as it stays. A control character that
// stands in a form as it is becomes six bytes.
func FormCost(body []byte) int64 {
	control := 0
	for _, c := range body {
		if c < ' ' {
			control++
		}
	}
	fields := min(bytes.Count(body, ampersand)+1, MaxFields)
	return int64(6*len(body)) + int64(18*control) + int64(fields)*fieldCost + draftCost
}

// LinesCost returns how much [ParseLines] takes at most: a copy of each line,
// and the drafts.
func LinesCost(body []byte, maxItems int) int64 {
	return int64(len(body)) + linesOf(body, maxItems)*draftCost
}

// EnvelopesCost returns how much [ParseEnvelopes], or for one [ParseClientFrame],
// takes at most: as [LinesCost], and what one string takes while it is unquoted.
func EnvelopesCost(body []byte, maxItems int) int64 {
	return int64(2*len(body)) + linesOf(body, maxItems)*draftCost
}

func linesOf(body []byte, maxItems int) int64 {
	return int64(min(bytes.Count(body, lf)+1, max(maxItems, 1)))
}

// DraftsCost returns how much drafts take, once they are parsed.
func DraftsCost(drafts []stream.Draft) int64 {
	b := stream.Batch{Drafts: drafts}
	return int64(b.Size()) + int64(len(drafts))*draftCost
}
