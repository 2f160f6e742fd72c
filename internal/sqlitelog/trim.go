package sqlitelog

import (
	"feedd/internal/sqlitelog/database"
	"feedd/internal/sqlitelog/registry"
	"feedd/internal/stream"
)

// touchedSlack is how many rows a publish may trim beyond those that it brings, so
// that a feed above its bounds comes back to them: 256 rows are some 3 ms.
const touchedSlack = 256

// trimTouched brings the feeds of this transaction back into their bounds, so
// that no snapshot shows more than they may hold.
func (t *tx) trimTouched() error {
	for f, s := range t.states {
		if _, _, err := t.trim(f, s, len(t.tells.Items)+touchedSlack); err != nil {
			return err
		}
	}
	return nil
}

// trim takes the oldest items of a feed that is above its bounds, at most
// budget, and records the loss. It reports how many went and whether the feed
// is still above them.
func (t *tx) trim(f *registry.Feed, s *registry.State, budget int) (n int, more bool, err error) {
	if !f.Exceeds(s, t.now) {
		return 0, false, nil
	}
	took, err := t.takeOldest(f, s, budget, func(stream.ID) bool { return f.Exceeds(s, t.now) })
	if took.lost > 0 {
		s.Lost, s.Reason = took.lost, stream.Trimmed
		t.tells.Trimmed = append(t.tells.Trimmed, stream.Removal{Feed: f.Name, ID: took.lost})
	}
	return took.rows, f.Exceeds(s, t.now), err
}

// deleted is what takeOldest has deleted.
type deleted struct {
	rows  int
	alive int       // of which their own ttl had not run out
	lost  stream.ID // the highest id of those
}

// takeOldest deletes the oldest items of a feed while more returns true, at
// most budget.
func (t *tx) takeOldest(f *registry.Feed, s *registry.State, budget int, more func(next stream.ID) bool) (took deleted, err error) {
	q := t.w.oldItems
	q.BindInt64(1, f.No)
	q.BindInt64(2, int64(budget)+1)
	var last stream.ID
	for {
		row, err := q.Step()
		if err != nil {
			return took, database.Reset(q, err)
		}
		if !row {
			s.Oldest = 0
			break
		}
		s.Oldest = stream.ID(q.ColumnInt64(0))
		if took.rows == budget || !more(s.Oldest) {
			break
		}
		last = s.Oldest
		took.rows++
		if q.ColumnIsNull(2) || q.ColumnInt64(2) > t.now.UnixMicro() {
			took.alive++
			took.lost = last
		}
		s.Items--
		s.Bytes -= q.ColumnInt64(1)
		t.items--
		// Of a long row one page is written; the others are only freed.
		t.written += min(q.ColumnInt64(1), t.w.pageSize)
	}
	if err := q.Reset(); err != nil || took.rows == 0 {
		return took, err
	}
	t.dirty = true
	t.w.dropItems.BindInt64(1, f.No)
	t.w.dropItems.BindInt64(2, int64(last))
	return took, database.Run(t.w.dropItems)
}

// remove deletes one item; if feed is not "", only an item of that feed. It
// reports whether it was there and had not expired.
func (t *tx) remove(id stream.ID, feed string) (alive bool, err error) {
	q := t.w.getItem
	q.BindInt64(1, int64(id))
	row, err := q.Step()
	if err != nil || !row {
		return false, database.Reset(q, err)
	}
	f := t.byNo(q.ColumnInt64(0))
	size := q.ColumnInt64(1)
	alive = q.ColumnIsNull(2) || q.ColumnInt64(2) > t.now.UnixMicro()
	if err := q.Reset(); err != nil || f == nil || feed != "" && f.Name != feed {
		return false, err
	}
	t.w.dropItem.BindInt64(1, int64(id))
	if err := database.Run(t.w.dropItem); err != nil {
		return false, err
	}
	s := t.state(f)
	s.Items--
	s.Bytes -= size
	t.items--
	t.written += min(size, t.w.pageSize)
	if s.Oldest == id {
		t.w.firstItem.BindInt64(1, f.No)
		oldest, err := database.Number(t.w.firstItem)
		if err != nil {
			return false, err
		}
		s.Oldest = stream.ID(oldest)
	}
	t.tells.Removed = append(t.tells.Removed, stream.Removal{Feed: f.Name, ID: id})
	return alive, nil
}
