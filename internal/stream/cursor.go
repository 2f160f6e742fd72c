package stream

import "feedd/internal/selector"

// Cursor is a reader: what it selects and where it stands. That is all of its
// state; there is no queue. One goroutine uses it at a time.
type Cursor struct {
	on *target

	after ID   // everything selected at or below it was delivered, or told as lost
	told  ID   // the highest loss that the reader was told of
	live  bool // see windows
	// foreign is the position that the reader presented when this store cannot
	// have given it; the first delivery tells it so.
	foreign *string
}

// target is a selection, and what is known of it in advance. Cursors that
// select the same may share one.
type target struct {
	sel   selector.Selection
	names []string // of a selection without patterns
	plain bool     // it is one

	// Of one by which waiters are found, see interest.
	holders int       // guarded by interest.editMu
	waiters []*Waiter // guarded by interest.mu
}

func newTarget(sel selector.Selection) *target {
	t := &target{sel: sel}
	t.names, t.plain = sel.Names()
	return t
}

// Position returns where the reader stands: it may resume from here.
func (c *Cursor) Position() ID { return c.after }

// Resume returns the position that a reader is sent away with, 0 where it shall
// keep the one that it presented: it was not told yet that this store cannot
// have given it.
func (c *Cursor) Resume() ID {
	if c.foreign != nil {
		return 0
	}
	return c.after
}

// Selection returns what the cursor selects.
func (c *Cursor) Selection() selector.Selection { return c.on.sel }

// Bounds limits a delivery: at most Items items of together at most Bytes
// (Item.Size), but one item is delivered whatever its size. Both are above 0.
type Bounds struct{ Items, Bytes int }

// Delivery is what comes next for a cursor. It is to be written in the order
// Gap, Entries; then Cursor.Advance.
type Delivery struct {
	Gap     *Gap
	Entries []*Entry // ascending by id
	// Through is the position up to which the selection was examined.
	Through ID
	// More says that there is more to deliver at once.
	More bool

	atHead   bool // it reaches the head
	windowed bool // it comes from the windows
}

// Advance moves the cursor behind a delivery that reached the reader whole.
func (c *Cursor) Advance(d *Delivery) {
	if d.Gap != nil {
		c.passGap(d.Gap)
	}
	c.after = max(c.after, d.Through)
	// A reader that the windows could not serve resumes like any other until
	// it is at the head again.
	c.live = d.atHead || d.windowed && c.live
}

// advance moves the cursor over the first n entries of a delivery, and its
// gap.
func (c *Cursor) advance(d *Delivery, n int) {
	if d.Gap != nil {
		c.passGap(d.Gap)
	}
	if n > 0 {
		c.after = max(c.after, d.Entries[n-1].ID)
	}
	c.live = d.windowed && c.live
}

func (c *Cursor) passGap(g *Gap) {
	c.told = max(c.told, g.Through)
	c.after = max(c.after, g.ID)
	c.foreign = nil
}
