package clients_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"unique"

	"feedd/e2e/harness"
	"feedd/internal/client"
)

// reader is one client of others in a round, and what it got.
type reader struct {
	name, url string

	mu     sync.Mutex // guards what follows
	events []harness.Event
	broken error         // why it can read no further
	grown  chan struct{} // closed, and made anew, with each change
}

func newReader(name, url string) *reader {
	return &reader{name: name, url: url, grown: make(chan struct{})}
}

// got takes an event as the client's library gave it. A block without data is
// no item, nor is the notice that a server stops; a gap is a failure here.
func (r *reader) got(e harness.Event) {
	switch {
	case e.Data == "" || e.Event == "closing":
		return
	case e.Event == "gap":
		r.breaks(fmt.Errorf("P4: a false alarm: %s", e.Data))
		return
	case e.Event == "message": // what some libraries call an item without a name
		e.Event = ""
	}
	// A long storm brings the same few data again and again to many readers.
	e.Data = unique.Make(e.Data).Value()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	r.changed()
}

// breaks ends the reader for good.
func (r *reader) breaks(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken == nil {
		r.broken = err
		r.changed()
	}
}

func (r *reader) changed() {
	close(r.grown)
	r.grown = make(chan struct{})
}

// await waits for n events, and reports whether they came.
func (r *reader) await(ctx context.Context, n int) bool {
	for {
		r.mu.Lock()
		have, broken, grown := len(r.events), r.broken, r.grown
		r.mu.Unlock()
		if have >= n || broken != nil {
			return have >= n
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return false
		}
	}
}

// soFar returns what came until now, and why no more can come where that is so.
func (r *reader) soFar() ([]harness.Event, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events, r.broken
}

// firstDifference tells where what a reader got is not what was published; ""
// where it is the same.
func firstDifference(got, want []harness.Event) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("item %d, %.80q, and %d behind it did not come", i, want[i], len(want)-i-1)
		case i >= len(want):
			return fmt.Sprintf("item %d, %.80q, is one too many", i, got[i])
		case got[i] != want[i]:
			return fmt.Sprintf("item %d is\n%.200q\nwant\n%.200q\nafter\n%.200q", i, got[i], want[i], want[max(0, i-1)])
		}
	}
	return ""
}

// awkwardNames are the names of the items, in turn: a page hears only those
// that it listens to.
var awkwardNames = []string{"", "goal", "", "card:red", "a.b-c_d"}

// awkwardData are the data of the items, in turn. There is no CR in them, which
// SSE can not carry, and no JSON string, which prints as text in an envelope.
var awkwardData = []struct {
	json bool
	data string
}{
	{false, "a line"},
	{false, "two\nlines"},
	{false, "\n\nblank lines before"},
	{false, "and\n\n\nbetween"},
	{false, "and at the end\n"},
	{false, "\n"},
	{false, " a space before"},
	{false, "  two\n   three\n"},
	{true, `{"text":"a line\nand one\n\n","list":[1,2.5,null,true]}`},
	{false, "data: this is no field\nid: 7\nevent: gap\nretry: 1\n\n: and this no comment"},
	{false, "id: 7"},
	{false, "\n\nid: 7\n\n"},
	{false, "data:"},
	{false, ":"},
	{true, `7`},
	{false, strings.Repeat("0123456789abcdef", 1280)},
	{false, "🦊 \U0001f469\u200d\U0001f469\u200d\U0001f467 漢字 \u2028 \u0085 tab\t."},
	{false, "\ufeffa byte order mark before"},
	{true, `{"emoji":"🦊","long":"` + strings.Repeat("漢字", 3400) + `"}`},
	{false, strings.Repeat("a line of many\n", 1400)},
	{true, `["<script>","&amp;"]`},
}

// awkward returns the nth item: all names meet all data in time.
func awkward(n int) (client.Draft, harness.Event) {
	name, d := awkwardNames[n%len(awkwardNames)], awkwardData[n%len(awkwardData)]
	return client.Draft{Event: name, JSON: d.json, Data: []byte(d.data)}, harness.Event{Event: name, Data: d.data}
}

// fromEnvelope returns an envelope as the event that SSE makes of the item.
func fromEnvelope(id, event string, data json.RawMessage) harness.Event {
	e := harness.Event{ID: id, Event: event, Data: string(data)}
	if strings.HasPrefix(e.Data, `"`) {
		json.Unmarshal(data, &e.Data)
	}
	return e
}
