package scan

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// digitsOf draws a number of width digits to the base 64.
func digitsOf(width int) *rapid.Generator[uint64] { return rapid.Uint64Range(0, 1<<(6*width)-1) }

func drawMark(t *rapid.T) Mark {
	return Mark{
		Run:  digitsOf(runWidth).Draw(t, "run"),
		Feed: uint32(digitsOf(feedWidth).Draw(t, "feed")),
		Pub:  uint32(digitsOf(pubWidth).Draw(t, "pub")),
		Seq:  digitsOf(seqWidth).Draw(t, "seq"),
		All:  digitsOf(seqWidth).Draw(t, "all"),
		At:   rapid.Int64Range(0, math.MaxInt64).Draw(t, "at"),
	}
}

func TestMarkComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawMark(t)
		b := appendMark(nil, &want)
		if len(b) != markLen {
			t.Fatalf("a mark has %d bytes, want %d", len(b), markLen)
		}
		var got Mark
		if !ParseMark(append(b, "more"...), &got) || got != want {
			t.Fatalf("%q was read as %+v, want %+v", b, got, want)
		}
		if ParseMark(b[:markLen-1], &got) {
			t.Fatal("a cut mark was read")
		}
		b[rapid.IntRange(0, markLen-1).Draw(t, "at")] = '!'
		if ParseMark(b, &got) {
			t.Fatalf("%q was read", b)
		}
	})
}

func TestPayloadIsJSONOfTheSizeAskedFor(t *testing.T) {
	for _, size := range []int{MinSize, MinSize + 1, 128, 100_000} {
		b, err := newPayload(size)
		if err != nil {
			t.Fatal(err)
		}
		SetMark(b, &Mark{Run: 1, Seq: 2})
		var got Mark
		if len(b) != size || !json.Valid(b) || !ParseMark(b[len(payloadBefore):], &got) || got.Seq != 2 {
			t.Errorf("a payload of %d bytes, want %d: %.100s", len(b), size, b)
		}
	}
	if _, err := newPayload(MinSize - 1); err == nil {
		t.Error("a payload without room for its mark was made")
	}
}
