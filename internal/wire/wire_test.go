package wire_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

// at is the time of the design's example.
var at = time.Date(2026, 11, 22, 6, 13, 20, 1000, time.UTC)

const atID stream.ID = 1763792000000001

func textItem(data string) *stream.Item {
	return &stream.Item{ID: atID, Feed: "news", Time: at, Data: []byte(data)}
}

func jsonItem(data string) *stream.Item {
	it := textItem(data)
	it.JSON = true
	return it
}

func named(it *stream.Item, event string) *stream.Item {
	it.Event = event
	return it
}

func wantBytes(t *testing.T, got []byte, want string) {
	t.Helper()
	if string(got) != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// wantSyntaxError wants a fault at that place, whose text has msg in it.
func wantSyntaxError(t *testing.T, err error, line int, offset int64, msg string) {
	t.Helper()
	var bad *wire.SyntaxError
	if !errors.As(err, &bad) {
		t.Fatalf("error %v, want a SyntaxError", err)
	}
	if bad.Line != line || bad.Offset != offset || !strings.Contains(bad.Msg, msg) {
		t.Errorf("error %v (line %d, offset %d), want line %d, offset %d, %q",
			err, bad.Line, bad.Offset, line, offset, msg)
	}
}
