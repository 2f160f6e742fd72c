package wire_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

// P6: what a body is made into takes as much memory as its cost says, or less,
// whatever it is made of.
func TestP6_CostBoundsWhatParsingTakes(t *testing.T) {
	const most = 10_000
	lines := func(parse func([]byte, int) ([]stream.Draft, error)) func([]byte) ([]stream.Draft, error) {
		return func(b []byte) ([]stream.Draft, error) { return parse(b, most) }
	}
	one := func(parse func([]byte) (stream.Draft, error)) func([]byte) ([]stream.Draft, error) {
		return func(b []byte) ([]stream.Draft, error) {
			d, err := parse(b)
			return []stream.Draft{d}, err
		}
	}
	linesCost := func(b []byte) int64 { return wire.LinesCost(b, most) }
	envelopesCost := func(b []byte) int64 { return wire.EnvelopesCost(b, most) }
	envelope := func(b []byte) ([]stream.Draft, error) {
		f, err := wire.ParseClientFrame(b)
		return []stream.Draft{f.Draft}, err
	}
	var fields strings.Builder
	for i := range most {
		fmt.Fprintf(&fields, "&%d=", i)
	}
	big := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		name  string
		body  string
		parse func([]byte) ([]stream.Draft, error)
		cost  func([]byte) int64
	}{
		{"text", big, one(wire.ParseText), wire.TextCost},
		{"JSON", `"` + big + `"`, one(wire.ParseJSON), wire.TextCost},
		{"JSON with space", strings.Repeat(" ", 1<<20) + `[` + strings.Repeat("1, ", 1<<18) + `1]`, one(wire.ParseJSON), wire.TextCost},
		{"tiny lines", strings.Repeat("1\n", most), lines(wire.ParseLines), linesCost},
		{"large lines", strings.Repeat(`"`+big[:1<<17]+"\"\n", 8), lines(wire.ParseLines), linesCost},
		{"tiny envelopes", strings.Repeat(`{"data":"a","event":"b"}`+"\n", most), lines(wire.ParseEnvelopes), envelopesCost},
		{"one large envelope", `{"data":"` + big + `"}`, lines(wire.ParseEnvelopes), envelopesCost},
		{"an envelope of escapes", `{"data":"` + strings.Repeat(`\n`, 1<<19) + `"}`, lines(wire.ParseEnvelopes), envelopesCost},
		{"a frame", `{"data":"` + big + `"}`, envelope, envelopesCost},
		{"a form of a field", "a=" + big, one(wire.ParseForm), wire.FormCost},
		{"a form of escapes", "a=" + strings.Repeat("%01", 1<<18), one(wire.ParseForm), wire.FormCost},
		{"a form of quotes", "a=+" + strings.Repeat(`"`, 1<<20), one(wire.ParseForm), wire.FormCost},
		{"a form of control characters", "a=+" + strings.Repeat("\x01", 1<<20), one(wire.ParseForm), wire.FormCost},
		{"a form of fields", fields.String()[1:], one(wire.ParseForm), wire.FormCost},
		{"a form of values", strings.Repeat("a=b&", most-1) + "a=b", one(wire.ParseForm), wire.FormCost},
		{"a form that is JSON", `["` + big + `"]`, one(wire.ParseForm), wire.FormCost},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := []byte(c.body)
			drafts, err := c.parse(body)
			if err != nil {
				t.Fatal(err)
			}
			cost, kept := c.cost(body), wire.DraftsCost(drafts)
			if kept > cost {
				t.Errorf("%d bytes cost %d before they are parsed, and %d afterwards", len(body), cost, kept)
			}
			var with, without runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&with)
			runtime.KeepAlive(drafts)
			drafts = nil
			runtime.GC()
			runtime.ReadMemStats(&without)
			// The allocator rounds up by an eighth at most. The rest is what the
			// runtime and the test itself need.
			if held := int64(with.HeapAlloc) - int64(without.HeapAlloc); held > kept+kept/8+128<<10 {
				t.Errorf("the drafts of %d bytes hold %d, at a cost of %d", len(body), held, kept)
			}
			runtime.KeepAlive(body)
		})
	}
}
