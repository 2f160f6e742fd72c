package sqlitelog

import (
	"fmt"
	"time"
	"unsafe"

	"feedd/internal/sqlitelog/database"
	"feedd/internal/sqlitelog/registry"
	"feedd/internal/stream"
)

// itemCost is what an item takes in the database beside its bytes, in its row and
// in the index: about 40 bytes, and some for pages that are not full.
const itemCost = 64

// keySlack is how many keys a publish may drop for the one that it brings.
// After the setting was lowered, the keys above it go within some publishes,
// and none of these waits for many rows.
const keySlack = 16

// do stores the batch.
func (a *appending) do(t *tx) error {
	b := &a.batch
	if b.Key != "" {
		// This finds a key of the same transaction too: both are committed
		// together, or neither is.
		if found, err := a.repeat(t); found || err != nil {
			return err
		}
	}
	if len(b.Drafts) == 0 && b.Source.Name != "" {
		// A source that moves takes the place that it had, so it may move in a full
		// store, unless the WAL grows by it.
		if t.l.wal.stuck() || t.l.room.Stopped() {
			if err := t.room(0, 0); err != nil {
				return err
			}
		}
		a.receipt = stream.Receipt{Feed: b.Feed}
		return t.moveSource(b.Source)
	}
	if err := t.room(a.size, len(b.Drafts)); err != nil {
		return err
	}
	first := max(t.w.last+1, stream.IDAt(t.now))
	last := first + stream.ID(len(b.Drafts)) - 1
	if last > stream.MaxID {
		return refusal{fmt.Errorf("the ids are used up: the next would be %s", first)}
	}
	f, s, err := t.needFeed(b.Feed)
	if err != nil {
		return err
	}
	t.w.last = last
	for i := range b.Drafts {
		if err := t.put(f, s, first+stream.ID(i), &b.Drafts[i]); err != nil {
			return err
		}
	}
	a.receipt = stream.Receipt{Feed: b.Feed, First: first, Last: last, Count: len(b.Drafts), Time: first.Time()}
	if b.Source.Name != "" {
		if err := t.moveSource(b.Source); err != nil {
			return err
		}
	}
	if b.Key == "" {
		return nil
	}
	return a.remember(t)
}

// room refuses an append of size bytes in items if the store holds as much as it
// may, or the disk has no room for it.
func (t *tx) room(size, items int) error {
	if n, most := t.l.usage.bytes.Load()+t.written, t.l.opts.Bytes; most > 0 && n+int64(max(size, 1)) > most {
		wal := ""
		if t.l.wal.stuck() {
			wal = fmt.Sprintf(", %d of them in the WAL, which cannot be moved because another program reads or locks the database", t.l.wal.bytes.Load())
		}
		return refusal{fmt.Errorf("%w: it holds %d of %d bytes%s", stream.ErrFull, n, most, wal)}
	}
	// Twice: in the WAL, and in the database when that is moved.
	needs := 2 * int64(size+itemCost*items)
	if !t.l.room.Take(needs, t.taken) {
		return refusal{fmt.Errorf("%w: what is left is kept for what makes room", stream.ErrNoSpace)}
	}
	t.taken += needs
	return nil
}

// put inserts one item.
func (t *tx) put(f *registry.Feed, s *registry.State, id stream.ID, d *stream.Draft) error {
	it := stream.Item{ID: id, Feed: f.Name, Event: d.Event, Time: id.Time(), JSON: d.JSON, Data: d.Data}
	p := t.w.putItem
	p.BindInt64(1, int64(id))
	p.BindInt64(2, f.No)
	p.BindBool(3, d.JSON)
	if d.Event == "" {
		p.BindNull(4)
	} else {
		p.BindText(4, d.Event)
	}
	if d.TTL == 0 {
		p.BindNull(5)
	} else {
		it.Expires = t.now.Add(d.TTL).UTC().Truncate(time.Microsecond)
		p.BindInt64(5, it.Expires.UnixMicro())
	}
	// SQLite copies the bytes, and keeps no string of them.
	p.BindText(6, unsafe.String(unsafe.SliceData(d.Data), len(d.Data)))
	if err := database.Run(p); err != nil {
		return err
	}
	t.tells.Items = append(t.tells.Items, it)
	t.batch = true
	t.tells.Before = append(t.tells.Before, max(s.Newest, s.Lost))
	s.Items++
	s.Bytes += int64(it.Size())
	t.written += int64(it.Size())
	s.Newest = id
	if s.Oldest == 0 {
		s.Oldest = id
	}
	t.items++
	return nil
}

// repeat answers a batch whose key is known.
func (a *appending) repeat(t *tx) (found bool, err error) {
	q := t.w.getKey
	q.BindBytes(1, a.key[:])
	row, err := q.Step()
	if err != nil || !row {
		return false, database.Reset(q, err)
	}
	first, last := stream.ID(q.ColumnInt64(0)), stream.ID(q.ColumnInt64(1))
	var content stream.Digest
	q.ColumnBytes(2, content[:])
	if err := q.Reset(); err != nil {
		return false, err
	}
	if age := t.l.opts.KeyAge; age > 0 && first < stream.IDAt(t.now.Add(-age)) {
		t.w.dropKey.BindInt64(1, int64(first))
		t.keys--
		return false, database.Run(t.w.dropKey)
	}
	if content != a.content {
		return true, refusal{stream.ErrKeyReused}
	}
	a.receipt = stream.Receipt{
		Feed: a.batch.Feed, First: first, Last: last, Count: int(last-first) + 1,
		Time: first.Time(), Replayed: true,
	}
	return true, nil
}

// remember writes the key down beside the items that it came with.
func (a *appending) remember(t *tx) error {
	p := t.w.putKey
	p.BindInt64(1, int64(a.receipt.First))
	p.BindInt64(2, int64(a.receipt.Last))
	p.BindBytes(3, a.key[:])
	p.BindBytes(4, a.content[:])
	t.keys++
	if err := database.Run(p); err != nil {
		return err
	}
	most := int64(t.l.opts.Keys)
	if n := t.l.usage.keys.Load() + t.keys - most; most > 0 && n > 0 {
		n = min(n, keySlack) // the others go with the next publishes
		t.keys -= n
		t.w.dropOldKeys.BindInt64(1, n)
		return database.Run(t.w.dropOldKeys)
	}
	return nil
}

// moveSource writes down how far a source was taken over.
func (t *tx) moveSource(s stream.Source) error {
	t.dirty, t.batch = true, true
	p := t.w.putSource
	p.BindText(1, s.Name)
	p.BindText(2, s.At)
	return database.Run(p)
}
