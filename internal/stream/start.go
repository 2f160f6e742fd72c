package stream

import (
	"context"
	"fmt"
	"strings"
	"time"

	"feedd/internal/clip"

	"feedd/internal/selector"
)

// Start says where a reader begins. The zero Start is live: with what comes
// next.
type Start struct {
	kind startKind
	text string
	at   time.Time
	n    int
}

type startKind int

const (
	startLive startKind = iota
	startAll
	startAfter
	startSince
	startLast
)

// StartAll begins with everything retained; what is gone is no gap.
func StartAll() Start { return Start{kind: startAll} }

// StartAfter begins above a position that a client presents. It may be any
// text: what this store cannot have given is answered with a Gap, never with
// an error, because an EventSource would stop for good. "0" and "all" mean
// StartAll.
func StartAfter(position string) Start {
	if position == "all" || position != "" && strings.Trim(position, "0") == "" {
		return StartAll()
	}
	return Start{kind: startAfter, text: position}
}

// StartSince begins with the first item at or after a time.
func StartSince(t time.Time) Start { return Start{kind: startSince, at: t} }

// StartLast begins with the newest n items of the selection, those that its
// event names pass.
func StartLast(n int) Start {
	if n <= 0 {
		return Start{}
	}
	return Start{kind: startLast, n: n}
}

// Open returns a cursor over the selection that stands where start says. To
// miss nothing, call [Hub.Wait] before it.
func (h *Hub) Open(ctx context.Context, sel selector.Selection, start Start) (*Cursor, error) {
	c := &Cursor{target: newTarget(sel)}
	head := h.Head()
	var err error
	switch start.kind {
	case startLive:
		c.after, c.live = head, true
	case startAfter:
		h.present(c, start.text, head)
	case startSince:
		c.after, err = h.floor(ctx, IDAt(start.at)-1, head)
	case startAll:
		err = h.openAll(ctx, c, head)
	case startLast:
		err = h.openLast(ctx, c, head, start.n)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", clip.Text(sel.String()), err)
	}
	return c, nil
}

// present puts the cursor at a position that a client gives or, if this store
// cannot have given it, where reading goes on.
func (h *Hub) present(c *Cursor, text string, head ID) {
	openings := *h.openings.Load()
	first, latest := openings[0], openings[len(openings)-1]
	id, isNumber := parsePosition(text)
	switch {
	case !isNumber:
		c.after = first.Time
	case id > head:
		c.after = latest.Time
	default:
		c.after = id
		for _, o := range openings {
			if o.Last < id && id < o.Time {
				// Nothing lies in the hole: its end is a position that the
				// reader may come back with.
				c.after, c.foreign = o.Time, &text
			}
		}
		if c.foreign == nil {
			return
		}
	}
	c.foreign = &text
}

// parsePosition reads a decimal number. One above MaxID is MaxID: both are
// above every position.
func parsePosition(s string) (ID, bool) {
	if s == "" {
		return 0, false
	}
	var id ID
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		id = min(id*10+ID(s[i]-'0'), MaxID)
	}
	return id, true
}

// floor returns the largest position at or below id that readers know of.
func (h *Hub) floor(ctx context.Context, id, head ID) (ID, error) {
	id, err := h.log.Floor(ctx, id)
	return min(id, head), err
}

// openAll puts the cursor just below the first retained item, and counts
// what is gone by now as told.
func (h *Hub) openAll(ctx context.Context, c *Cursor, head ID) error {
	q := Query{Select: c.target.sel.Only(nil), UpTo: head, Items: 1, Bytes: 1}
	for {
		page, err := h.log.Read(ctx, q)
		if err != nil {
			return err
		}
		if page.Loss != nil {
			c.lossTold = max(c.lossTold, page.Loss.Through)
		}
		if len(page.Items) > 0 {
			c.after, err = h.floor(ctx, page.Items[0].ID-1, head)
			return err
		}
		if !page.More {
			c.after = head
			return nil
		}
		q.After, q.LossTold = page.Through, c.lossTold
	}
}

// openLast puts the cursor just below the nth newest item, and counts what
// is gone by now as told.
func (h *Hub) openLast(ctx context.Context, c *Cursor, head ID, n int) error {
	oldest, found := ID(0), 0
	_, err := h.backward(ctx, c.target.sel, head, Bounds{Items: n, Bytes: backwardBytes}, func(page []Item) bool {
		// Only ids are kept: n items may be more than memory should hold.
		for i := len(page) - 1; i >= 0 && found < n; i-- {
			oldest = page[i].ID
			found++
		}
		return found < n
	})
	if err != nil {
		return err
	}
	c.after = head
	if found > 0 {
		if c.after, err = h.floor(ctx, oldest-1, head); err != nil {
			return err
		}
	}
	page, err := h.log.Read(ctx, Query{Select: c.target.sel.Only(nil), After: c.after, UpTo: head, Items: 1, Bytes: 1})
	if err != nil {
		return err
	}
	if page.Loss != nil {
		c.lossTold = page.Loss.Through
	}
	return nil
}
