package streamtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"feedd/internal/stream"
)

// A history is what happened to a few feeds in a store that has others: random
// publishes, deletes, purges and steps of the clock, done to the store and to
// its model. Each history has feeds of its own, so that one store serves all
// of them: opening one for each would take most of the time.
type history struct {
	*store
	model *model
	name  string
	// queries are those that were tried, to be tried again after opening the
	// store again.
	queries []stream.Query
}

// historyFeeds are the feeds of a history, below its name. Those that are short
// keep 4 items; items with a ttl go to the others only, because an engine is free
// to count an item that ran out until it is swept.
var historyFeeds = []string{"a", "b", "short", "x.a", "x.short"}

func historyRetention(feed string) stream.Retention {
	if strings.HasSuffix(feed, ".short") {
		return stream.Retention{MaxItems: 4}
	}
	return stream.Retention{}
}

// checkHistories runs check on many random histories in one store, and again
// on some of them after the store was opened again.
func checkHistories(t *testing.T, s Subject, check func(h *history, q stream.Query)) {
	const again = 20 // histories
	st := open(t, s, stream.StoreOptions{Retention: historyRetention})
	var done []*history
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		of := *st // with its own reporter, that rapid can shrink by
		of.t = rt
		h := &history{store: &of, model: newModel(historyRetention), name: fmt.Sprintf("h%d", n)}
		h.happen(rt)
		for range 8 {
			q := h.drawQuery(rt)
			h.queries = append(h.queries, q)
			check(h, q)
		}
		done = append(done, h)
	})
	if t.Failed() || !s.Durable {
		return
	}
	st.reopen()
	now := st.clock.Now()
	for _, h := range done[max(0, len(done)-again):] {
		of := *st
		h.store = &of
		h.model.expire(now)
		for _, q := range h.queries {
			check(h, q)
		}
	}
}

// happen makes the history.
func (h *history) happen(rt *rapid.T) {
	for _, o := range h.Openings() {
		h.model.positions[o.Time] = true
	}
	step := map[string]func(*rapid.T){
		"delete": h.drawDelete,
		"purge":  h.drawPurge,
		"clock": func(rt *rapid.T) {
			h.clock.move(rapid.SampledFrom([]time.Duration{time.Millisecond, 1500 * time.Millisecond}).Draw(rt, "step"))
		},
	}
	kinds := []string{"append", "append", "append", "append", "append", "delete", "purge", "clock"}
	step["append"] = h.drawAppend
	for range rapid.IntRange(0, 16).Draw(rt, "steps") {
		step[rapid.SampledFrom(kinds).Draw(rt, "what happens")](rt)
		h.model.expire(h.clock.Now())
	}
}

func (h *history) drawFeed(rt *rapid.T) string {
	return h.name + "." + rapid.SampledFrom(historyFeeds).Draw(rt, "feed")
}

func (h *history) drawAppend(rt *rapid.T) {
	b := stream.Batch{Feed: h.drawFeed(rt)}
	events := rapid.SampledFrom([]string{"", "", "goal", "card"})
	// Far from multiples of the steps of the clock, so that it is clear what
	// has run out when.
	ttls := rapid.SampledFrom([]time.Duration{0, 0, time.Second, 4 * time.Second})
	for range rapid.IntRange(1, 6).Draw(rt, "drafts") {
		d := stream.Draft{Event: events.Draw(rt, "event"), JSON: rapid.Bool().Draw(rt, "json")}
		if historyRetention(b.Feed).MaxItems == 0 {
			d.TTL = ttls.Draw(rt, "ttl")
		}
		d.Data = []byte(fmt.Sprintf("%d%s", len(h.model.positions), strings.Repeat("-", rapid.IntRange(0, 30).Draw(rt, "size"))))
		b.Drafts = append(b.Drafts, d)
	}
	rc := h.publish(b)
	h.model.expire(h.clock.Now())
	h.model.append(b, rc, h.clock.Now())
}

func (h *history) drawDelete(rt *rapid.T) {
	feed := h.drawFeed(rt)
	items := h.model.feed(feed).items
	if len(items) == 0 {
		return
	}
	id := rapid.SampledFrom(items).Draw(rt, "deleted").ID
	h.remove(feed, id)
	h.model.remove(feed, id)
}

func (h *history) drawPurge(rt *rapid.T) {
	feed := h.drawFeed(rt)
	if _, err := h.Purge(context.Background(), feed); err != nil {
		rt.Fatalf("Purge of %s: %v", feed, err)
	}
	h.model.purge(feed)
}

// drawQuery returns any query on the history's feeds.
func (h *history) drawQuery(rt *rapid.T) stream.Query {
	selectors := []string{"$.a", "$.short", "$.x.short", "$.none", "$.a,$.b", "$.x.a,$.short,$.none", "$.*", "$.**", "*.x.*", "$.x.**", "$.a,$.*", "_none,$.**"}
	text := rapid.SampledFrom(selectors).Draw(rt, "selector")
	events := rapid.SampledFrom([][]string{nil, nil, {"goal"}, {"message"}, {"goal", "message"}, {"none"}}).Draw(rt, "events")
	q := stream.Query{
		Select:   h.sel(strings.ReplaceAll(text, "$", h.name), events...),
		After:    h.drawPlace(rt, "after"),
		UpTo:     h.record.newest(),
		Backward: rapid.Bool().Draw(rt, "backward"),
		Items:    rapid.SampledFrom([]int{1, 2, 3, 7, many}).Draw(rt, "items"),
		Bytes:    rapid.SampledFrom([]int{1, 20, 60, many}).Draw(rt, "bytes"),
		LossTold: rapid.SampledFrom([]stream.ID{0, 0, h.drawPlace(rt, "told")}).Draw(rt, "whether told"),
	}
	if rapid.Bool().Draw(rt, "bounded") {
		q.UpTo = h.drawPlace(rt, "up to")
	}
	// A pattern over all histories would read them all, so keep to this one.
	name := h.name + "."
	q.Select = q.Select.Allowing("some", func(feed string) bool { return strings.HasPrefix(feed, name) })
	return q
}

// drawPlace returns an id that was given in this history, one next to it, or
// an end.
func (h *history) drawPlace(rt *rapid.T, what string) stream.ID {
	known := []stream.ID{h.record.newest()}
	for id := range h.model.positions {
		known = append(known, id)
	}
	slices.Sort(known)
	id := rapid.SampledFrom(known).Draw(rt, what)
	return rapid.SampledFrom([]stream.ID{0, id - 1, id, id, id + 1, stream.MaxID}).Draw(rt, what+" or so")
}
