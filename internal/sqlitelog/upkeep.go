package sqlitelog

import (
	"time"

	"feedd/internal/stream"
)

const (
	// upkeepEvery is how often age, ttls and keys are looked at.
	upkeepEvery = time.Second
	// busyBudget and idleBudget bound the rows of upkeep in one transaction,
	// beside publishes and without: a row is about 10 us.
	busyBudget = 100
	idleBudget = 500
	// touchedSlack is how many rows a publish may trim beyond those that it
	// brings, so that a feed above its bounds comes back to them.
	touchedSlack = 256
	// keySlack is how many keys a publish may drop for the one that it brings.
	keySlack = 16
	// vacuumPages is how many free pages are given back at a time.
	vacuumPages = 128
	// lookEvery is after how many bytes committed the sizes of the database and
	// the WAL are looked at, beside once in upkeepEvery, and lookCommit what a
	// commit counts for besides its items. SQLite prepares each such pragma
	// anew: the three take up to 100 us.
	lookEvery  = 256 << 10
	lookCommit = lookEvery / 16
)

// upkeep is what the committer has yet to do, in small steps.
type upkeep struct {
	due      bool           // it is time to look at age, ttls and keys
	over     map[*feed]bool // feeds that hold more than they may
	expire   bool           // there may be items whose ttl ran out
	keys     bool           // there may be keys that are too old
	sweeping bool           // not all feeds were looked at since it was due
	// sweepFrom is the first that was not.
	sweepFrom string
	retryAt   time.Time // no upkeep before this: the store failed
	pages     int64     // of the database
	free      int64     // of which hold nothing
	vacuum    bool      // free pages are being given back
	unlooked  int64     // bytes committed since the last look
}

// waits reports whether there is something to do.
func (u *upkeep) waits() bool {
	if !u.retryAt.IsZero() && time.Now().Before(u.retryAt) {
		return false
	}
	return u.due || u.expire || u.keys || u.sweeping || len(u.over) > 0
}

// failed puts upkeep off for a moment, so that a store that fails is not
// tried without end.
func (u *upkeep) failed() {
	u.retryAt = time.Now().Add(upkeepEvery)
}

// doUpkeep does at most budget rows of what waits.
func (t *tx) doUpkeep(budget int) error {
	u := &t.w.upkeep
	if !u.waits() {
		return nil
	}
	if u.due {
		u.due = false
		u.expire, u.keys, u.sweeping = true, true, true
	}
	if u.sweeping {
		n, err := t.sweep(budget, sweepFeeds*budget)
		if err != nil {
			return err
		}
		budget -= n
	}
	for f := range u.over {
		if budget <= 0 {
			return nil
		}
		n, more, err := t.trim(f, t.state(f), budget)
		if err != nil {
			return err
		}
		budget -= n
		if !more {
			delete(u.over, f)
		}
	}
	if u.expire && budget > 0 {
		n, err := t.expire(budget)
		if err != nil {
			return err
		}
		u.expire = n == budget
		budget -= n
	}
	if u.keys && budget > 0 {
		n, err := t.dropKeys(budget)
		if err != nil {
			return err
		}
		u.keys = n == budget
	}
	return nil
}

// sweepFeeds is how many feeds are looked at for each row of the budget: ten take
// less than a row. So beside publishes it is 1,000 of them, some 100 us, and a
// sweep over 100,000 takes a hundred transactions.
const sweepFeeds = 10

// sweep goes on looking at all feeds, for those that age has brought above their
// bounds, and those that can be forgotten, at most budget. It looks at no more
// than so many feeds, and returns how many it forgot.
func (t *tx) sweep(budget, feeds int) (forgot int, err error) {
	u := &t.w.upkeep
	c := t.l.registry.Load().names.Seek(u.sweepFrom)
	for ; c.Valid(); c.Next() {
		if feeds == 0 || len(t.gone) == budget {
			u.sweepFrom = c.Key()
			break
		}
		feeds--
		f := c.Value()
		s := t.states[f]
		if s == nil {
			s = f.committed.Load()
			if t.forgettable(f, s) {
				if err := t.forget(f, s); err != nil {
					return 0, err
				}
				continue
			}
		}
		if over(f.retention(s), s, t.now) {
			u.over[f] = true
		}
	}
	if !c.Valid() {
		u.sweepFrom, u.sweeping = "", false
	}
	if len(t.gone) == 0 {
		return 0, nil
	}
	if err := t.mark(markForgotten, t.forgotten); err != nil {
		return 0, err
	}
	return len(t.gone), t.mark(markLast, t.w.last)
}

// forgettable reports whether a feed is empty, has no retention of its own, and
// was not touched for its max age.
func (t *tx) forgettable(f *feed, s *state) bool {
	age := f.configured.MaxAge
	return s.items == 0 && s.own == nil && age > 0 && s.newest < stream.IDAt(t.now.Add(-age))
}

// forget removes a feed. Its loss goes into the mark.
func (t *tx) forget(f *feed, s *state) error {
	t.dirty = true
	t.gone[f] = true
	t.forgotten = max(t.forgotten, s.lost)
	t.w.dropFeed.BindInt64(1, f.no)
	return run(t.w.dropFeed)
}

// retention is what bounds a feed in the given state: its own retention, or
// the configured one.
func (f *feed) retention(s *state) stream.Retention {
	if s.own != nil {
		return *s.own
	}
	return f.configured
}

// over reports whether a feed holds more than it may.
func over(r stream.Retention, s *state, now time.Time) bool {
	return r.MaxItems > 0 && s.items > r.MaxItems ||
		r.MaxBytes > 0 && s.bytes > r.MaxBytes && s.items > 1 ||
		r.MaxAge > 0 && s.oldest > 0 && s.oldest < stream.IDAt(now.Add(-r.MaxAge))
}

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
func (t *tx) trim(f *feed, s *state, budget int) (n int, more bool, err error) {
	r := f.retention(s)
	if !over(r, s, t.now) {
		return 0, false, nil
	}
	took, err := t.takeOldest(f, s, budget, func(stream.ID) bool { return over(r, s, t.now) })
	if took.lost > 0 {
		s.lost, s.reason = took.lost, stream.Trimmed
		t.tells.Trimmed = append(t.tells.Trimmed, stream.Removal{Feed: f.name, ID: took.lost})
	}
	return took.rows, over(r, s, t.now), err
}

// taken says what takeOldest has deleted.
type taken struct {
	rows  int
	alive int       // of which their own ttl had not run out
	lost  stream.ID // the highest id of those
}

// takeOldest deletes the oldest items of a feed as long as more says so, at
// most budget.
func (t *tx) takeOldest(f *feed, s *state, budget int, more func(next stream.ID) bool) (took taken, err error) {
	q := t.w.oldItems
	q.BindInt64(1, f.no)
	q.BindInt64(2, int64(budget)+1)
	var last stream.ID
	for {
		row, err := q.Step()
		if err != nil {
			return took, reset(q, err)
		}
		if !row {
			s.oldest = 0
			break
		}
		s.oldest = stream.ID(q.ColumnInt64(0))
		if took.rows == budget || !more(s.oldest) {
			break
		}
		last = s.oldest
		took.rows++
		if q.ColumnIsNull(2) || q.ColumnInt64(2) > t.now.UnixMicro() {
			took.alive++
			took.lost = last
		}
		s.items--
		s.bytes -= q.ColumnInt64(1)
		t.items--
		t.written += min(q.ColumnInt64(1), t.w.pageSize) // what is beside the row's page is only freed
	}
	if err := q.Reset(); err != nil || took.rows == 0 {
		return took, err
	}
	t.dirty = true
	t.w.dropItems.BindInt64(1, f.no)
	t.w.dropItems.BindInt64(2, int64(last))
	return took, run(t.w.dropItems)
}

// expire deletes items whose own ttl ran out; that is no loss.
func (t *tx) expire(budget int) (n int, err error) {
	q := t.w.expired
	q.BindInt64(1, t.now.UnixMicro())
	q.BindInt64(2, int64(budget))
	var ids []stream.ID
	for {
		row, err := q.Step()
		if err != nil {
			return 0, reset(q, err)
		}
		if !row {
			break
		}
		ids = append(ids, stream.ID(q.ColumnInt64(0)))
	}
	if err := q.Reset(); err != nil {
		return 0, err
	}
	for _, id := range ids {
		if _, err := t.remove(id, ""); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

// remove deletes one item, of the named feed only where feed is not "". It
// reports whether it was there and had not expired.
func (t *tx) remove(id stream.ID, feed string) (alive bool, err error) {
	q := t.w.getItem
	q.BindInt64(1, int64(id))
	row, err := q.Step()
	if err != nil || !row {
		return false, reset(q, err)
	}
	f := t.byNo(q.ColumnInt64(0))
	size := q.ColumnInt64(1)
	alive = q.ColumnIsNull(2) || q.ColumnInt64(2) > t.now.UnixMicro()
	if err := q.Reset(); err != nil || f == nil || feed != "" && f.name != feed {
		return false, err
	}
	t.w.dropItem.BindInt64(1, int64(id))
	if err := run(t.w.dropItem); err != nil {
		return false, err
	}
	s := t.state(f)
	s.items--
	s.bytes -= size
	t.items--
	t.written += min(size, t.w.pageSize)
	if s.oldest == id {
		t.w.firstItem.BindInt64(1, f.no)
		oldest, err := number(t.w.firstItem)
		if err != nil {
			return false, err
		}
		s.oldest = stream.ID(oldest)
	}
	t.tells.Removed = append(t.tells.Removed, stream.Removal{Feed: f.name, ID: id})
	return alive, nil
}

func (t *tx) byNo(no int64) *feed {
	if f := t.w.byNo[no]; f != nil {
		return f
	}
	for _, f := range t.fresh {
		if f.no == no {
			return f
		}
	}
	return nil
}

// dropKeys deletes idempotency keys that are too old.
func (t *tx) dropKeys(budget int) (int, error) {
	age := t.l.opts.KeyAge
	if age <= 0 {
		return 0, nil
	}
	t.w.oldKey.BindInt64(1, int64(stream.IDAt(t.now.Add(-age))))
	t.w.oldKey.BindInt64(2, int64(budget))
	n, err := number(t.w.oldKey)
	if err != nil || n == 0 {
		return 0, err
	}
	t.dirty = true
	t.keys -= n
	t.w.dropOldKeys.BindInt64(1, n)
	return int(n), run(t.w.dropOldKeys)
}

func (t *tx) mark(name string, id stream.ID) error {
	t.dirty = true
	t.w.putMark.BindText(1, name)
	t.w.putMark.BindInt64(2, int64(id))
	return run(t.w.putMark)
}

// giveBack returns free pages to the file system, a few at a time, once they
// are many; it reports whether it did something.
func (l *Log) giveBack() bool {
	u := &l.w.upkeep
	free := u.free
	if free > max(8*vacuumPages, u.pages/4) || l.w.room.full && free > 0 {
		u.vacuum = true
	}
	if !u.vacuum || l.wal.stuck() || time.Now().Before(u.retryAt) {
		return false
	}
	if err := run(l.w.vacuum); err != nil {
		u.failed()
		if !l.full(err) || !l.giveReserve() {
			return false
		}
	}
	l.measure()
	if u.free <= vacuumPages || u.free >= free {
		if u.free >= free {
			u.failed()
		}
		u.vacuum = false
		l.moveWALNow() // only now does the file become shorter
	} else {
		l.moveWAL(false)
	}
	return true
}
