package stream

import "feedd/internal/selector"

// Cursor is a reader: what it selects and where it stands. That is all of its
// state; there is no queue. One goroutine uses it at a time.
type Cursor struct {
	target *Target

	after    ID   // everything selected at or below it was delivered, or told as lost
	lossTold ID   // the highest loss that the reader was told of
	live     bool // see windows
	// foreign is the position that the reader presented, if this store cannot
	// have given it. The first delivery tells the reader so.
	foreign *string
}

// Position returns where the reader stands: it may resume from here.
func (c *Cursor) Position() ID { return c.after }

// Resume returns the position with which a reader is sent away. 0: it keeps the
// one that it presented, because it was not told yet that this store cannot
// have given that.
func (c *Cursor) Resume() ID {
	if c.foreign != nil {
		return 0
	}
	return c.after
}

// Target returns what the cursor selects, and what it may share with others: see
// [Hub.Share].
func (c *Cursor) Target() *Target { return c.target }

// Selection returns what the cursor selects.
func (c *Cursor) Selection() selector.Selection { return c.target.sel }

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

// Step moves the cursor over the gap and the first n entries of a delivery,
// whose rest did not reach the reader.
func (c *Cursor) Step(d *Delivery, n int) {
	if d.Gap != nil {
		c.passGap(d.Gap)
	}
	if n > 0 {
		c.after = max(c.after, d.Entries[n-1].ID)
	}
	c.live = d.windowed && c.live
}

// Finish moves the cursor over an entry whose rest the reader has now too. A
// Step went over the entries before it.
func (c *Cursor) Finish(id ID) { c.after = id }

// Skip moves the cursor up to just below id. The caller knows that the reader
// has everything selected that lies below id.
func (c *Cursor) Skip(id ID) { c.after = max(c.after, id-1) }

// Place tells cursors over one Target apart: cursors at the same Place get the
// same from [Hub.Recent].
type Place struct {
	after         ID
	live, foreign bool
}

// PlaceAt returns where the cursor would stand after a Skip to id.
func (c *Cursor) PlaceAt(id ID) Place {
	return Place{max(c.after, id-1), c.live, c.foreign != nil}
}

func (c *Cursor) passGap(g *Gap) {
	c.lossTold = max(c.lossTold, g.Through)
	c.after = max(c.after, g.ID)
	c.foreign = nil
}
