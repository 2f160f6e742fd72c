package wire_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

func TestAppendTimestamped(t *testing.T) {
	for _, tt := range []struct {
		it   stream.Item
		want string
	}{
		{stream.Item{ID: 1763792000000001, JSON: true, Data: []byte(`{"a":1}`)}, `[{"a":1,"timestamp":1763792000000.001}]`},
		{stream.Item{ID: 1763792000000000, JSON: true, Data: []byte(`{}`)}, `[{"timestamp":1763792000000}]`},
		{stream.Item{ID: 1763792000000100, JSON: true, Data: []byte(`[1]`)}, `[{"data":[1],"timestamp":1763792000000.1}]`},
		{stream.Item{ID: 7, Data: []byte(`{"a":1}`)}, `[{"data":"{\"a\":1}","timestamp":0.007}]`},
	} {
		if got := string(wire.AppendTimestamped(nil, []*stream.Item{&tt.it})); got != tt.want || !json.Valid([]byte(got)) {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
	if got := string(wire.AppendTimestamped(nil, nil)); got != "[]" {
		t.Errorf("no items are %s", got)
	}
}

// A page holds the timestamp as a double and prints it back: nothing of the id
// is lost on that way, as long as clocks have fewer than 2^43 milliseconds.
func TestTimestampsComeBackFromJavaScript(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := stream.ID(rapid.Int64Range(0, 8_796_093_022_207_000).Draw(t, "id"))
		double, err := strconv.ParseFloat(string(wire.AppendTimestamp(nil, id)), 64)
		if err != nil {
			t.Fatal(err)
		}
		back, ok := wire.ParseTimestamp(strconv.FormatFloat(double, 'f', -1, 64))
		if !ok || back != id {
			t.Errorf("%d comes back as %d", id, back)
		}
	})
}

func TestParseTimestamp(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want stream.ID
		ok   bool
	}{
		{"0", 0, true}, {"0.000", 0, true}, {"1", 1000, true}, {"1.5", 1500, true}, {".5", 500, true}, {"1.", 1000, true},
		{"1763792000000.0019", 1763792000000001, true}, {"99999999999999999999", stream.MaxID, true},
		{"", 0, false}, {".", 0, false}, {"-1", 0, false}, {"1e3", 0, false}, {"x", 0, false}, {"1.2.3", 0, false}, {"1.234x", 0, false},
	} {
		if got, ok := wire.ParseTimestamp(tt.in); got != tt.want || ok != tt.ok {
			t.Errorf("%q is %d, %v, want %d, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}
