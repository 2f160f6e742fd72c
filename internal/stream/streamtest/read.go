package streamtest

import (
	"context"
	"fmt"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"feedd/internal/selector"
	"feedd/internal/stream"
)

// many is a page limit that no case reaches.
const many = 1 << 30

// whole is the query for everything of a selection up to the newest position
// that was told.
func (s *store) whole(sel selector.Selection) stream.Query {
	return stream.Query{Select: sel, UpTo: s.record.newest(), Items: many, Bytes: many}
}

// page reads one page and checks what holds for every page.
func (s *store) page(q stream.Query) stream.Page {
	s.t.Helper()
	p, err := s.Read(context.Background(), q)
	if err != nil {
		s.t.Fatalf("Read of %s: %v", describe(q), err)
	}
	if why := badPage(q, p); why != "" {
		s.t.Fatalf("Read of %s: %s\npage: through %s, more %v, items %q", describe(q), why, p.Through, p.More, lines(p.Items))
	}
	return p
}

// badPage says which rule for pages this one breaks, or returns "".
func badPage(q stream.Query, p stream.Page) string {
	low, high := q.After, p.Through
	if q.Backward {
		low, high = p.Through, q.UpTo
	}
	switch {
	case q.After > q.UpTo:
		if len(p.Items) > 0 || p.More || p.Through < q.After {
			return "the range is empty, so there is nothing to return, and a cursor never moves back"
		}
		return ""
	case p.Through < q.After || p.Through > q.UpTo:
		return fmt.Sprintf("Through is %s, outside the range that was asked for", p.Through)
	case !p.More && !q.Backward && p.Through != q.UpTo:
		return "without More the whole range was looked at, so Through is UpTo"
	case !p.More && q.Backward && p.Through != q.After:
		return "without More the whole range was looked at, so Through is After"
	case p.More && (low == high):
		return "with More, Through must have moved, else a reader asks for ever"
	case p.More && !q.Backward && p.Through == q.UpTo, p.More && q.Backward && p.Through == q.After:
		return "the whole range was looked at, so there can be no More"
	case len(p.Items) > q.Items:
		return fmt.Sprintf("%d items, more than the limit", len(p.Items))
	case q.Backward && p.Loss != nil:
		return "losses are not looked for backward"
	}
	size := 0
	for i := range p.Items {
		it := &p.Items[i]
		size += it.Size()
		switch {
		case it.ID <= low || it.ID > high:
			return fmt.Sprintf("item %s lies outside (%s, %s], which was looked at", it.ID, low, high)
		case i > 0 && it.ID <= p.Items[i-1].ID:
			return fmt.Sprintf("item %s stands behind %s: items ascend, each once", it.ID, p.Items[i-1].ID)
		case !q.Select.Has(it.Feed) || !q.Select.HasEvent(it.Event):
			return fmt.Sprintf("item %s (feed %s, event %q) was not selected", it.ID, it.Feed, it.Event)
		}
	}
	if size > q.Bytes && len(p.Items) > 1 {
		return fmt.Sprintf("%d items of %d bytes, more than the limit", len(p.Items), size)
	}
	return ""
}

// all pages through a query and returns its items, ascending.
func (s *store) all(q stream.Query) []stream.Item {
	s.t.Helper()
	var items []stream.Item
	for {
		p := s.page(q)
		if q.Backward {
			items, q.UpTo = append(p.Items, items...), p.Through
		} else {
			items, q.After = append(items, p.Items...), p.Through
		}
		if !p.More {
			return items
		}
	}
}

// items returns everything that a selector yields.
func (s *store) items(selector string, events ...string) []stream.Item {
	s.t.Helper()
	return s.all(s.whole(s.sel(selector, events...)))
}

// holds checks the data of the items that a selector yields.
func (s *store) holds(rule, selector string, want ...string) {
	s.t.Helper()
	same(s.t, rule+"\nthe items of "+selector, data(s.items(selector)), want)
}

// loss reads one page above after and returns its loss.
func (s *store) loss(selector string, after, told stream.ID) *stream.Loss {
	s.t.Helper()
	q := s.whole(s.sel(selector))
	q.After, q.LossTold = after, told
	return s.page(q).Loss
}

// data returns the data of items.
func data(items []stream.Item) []string {
	d := make([]string, len(items))
	for i := range items {
		d[i] = string(items[i].Data)
	}
	return d
}

// ids returns the ids of items.
func ids(items []stream.Item) []stream.ID {
	d := make([]stream.ID, len(items))
	for i := range items {
		d[i] = items[i].ID
	}
	return d
}

// lines returns items in a form that is short to read in a difference.
func lines(items []stream.Item) []string {
	d := make([]string, len(items))
	for i := range items {
		d[i] = line(&items[i])
	}
	return d
}

func line(it *stream.Item) string {
	return fmt.Sprintf("%s %s event=%q json=%v %q", it.ID, it.Feed, it.Event, it.JSON, it.Data)
}

func describe(q stream.Query) string {
	dir := "forward"
	if q.Backward {
		dir = "backward"
	}
	return fmt.Sprintf("%q (%s, %s] %s, at most %d items and %d bytes, told %s", q.Select, q.After, q.UpTo, dir, q.Items, q.Bytes, q.LossTold)
}

// same reports a difference. rule says what should hold.
func same[T any](t reporter, rule string, got, want T) {
	t.Helper()
	// Byte by byte, cmp would take minutes for a large item.
	asText := cmp.Transformer("text", func(b []byte) string { return string(b) })
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), asText); diff != "" {
		t.Errorf("%s: difference (-want +got):\n%s", rule, diff)
	}
}
