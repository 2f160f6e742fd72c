package stream

// Cursor is a reader: what it selects and where it stands. That is all of its
// state; there is no queue. One goroutine uses it at a time.
type Cursor struct {
	sel   Selection
	names []string // of a selection without patterns
	plain bool

	after ID   // everything selected at or below it was delivered, or told as lost
	told  ID   // the highest loss that the reader was told of
	live  bool // was at the head with its last delivery
	// foreign says that the reader presented a position that this store cannot
	// have given, in words; the first delivery tells it so.
	foreign   bool
	presented string
}

// Position returns where the reader stands: it may resume from here.
func (c *Cursor) Position() ID { return c.after }

// Selection returns what the cursor selects.
func (c *Cursor) Selection() Selection { return c.sel }

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

	atHead bool
}

// Advance moves the cursor behind a delivery that reached the reader whole.
func (c *Cursor) Advance(d *Delivery) {
	if d.Gap != nil {
		c.told = max(c.told, d.Gap.Through)
		c.after = max(c.after, d.Gap.ID)
		c.foreign, c.presented = false, ""
	}
	c.after = max(c.after, d.Through)
	// A reader that the windows could not serve resumes like any other until
	// it is at the head again.
	c.live = d.atHead
}
