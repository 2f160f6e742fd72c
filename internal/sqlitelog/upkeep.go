package sqlitelog

import (
	"time"

	"feedd/internal/sqlitelog/database"
	"feedd/internal/sqlitelog/registry"
	"feedd/internal/stream"
)

const (
	// upkeepEvery is how often age, ttls and keys are looked at, because
	// retention by age is set in seconds.
	upkeepEvery = time.Second
	// busyBudget and idleBudget bound the rows of upkeep in one transaction: with
	// publishes in it, and without. A row takes about 10 us, so publishes wait 1
	// ms longer, and one that comes during a transaction of upkeep waits 5 ms.
	busyBudget = 100
	idleBudget = 500
	// vacuumPages is how many free pages are given back at a time: half a MiB, so
	// that a publish waits only for a short write.
	vacuumPages = 128
)

// upkeep is what the committer has yet to do, in small steps.
type upkeep struct {
	every    time.Duration           // upkeepEvery, less in tests
	due      bool                    // it is time to look at age, ttls and keys
	over     map[*registry.Feed]bool // feeds that hold more than they may
	expire   bool                    // there may be items whose ttl ran out
	keys     bool                    // there may be keys that are too old
	sweeping bool                    // not all feeds were looked at since it was due
	// sweepFrom is the first that was not.
	sweepFrom string
	retryAt   time.Time // no upkeep before this: the store failed
	pages     int64     // of the database
	free      int64     // of which hold nothing
	vacuum    bool      // free pages are being given back
	unlooked  int64     // bytes committed since the last look: see lookEvery
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
	u.retryAt = time.Now().Add(u.every)
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
// than the given number of feeds, and returns how many it forgot.
func (t *tx) sweep(budget, feeds int) (forgot int, err error) {
	u := &t.w.upkeep
	c := t.l.registry.Load().From(u.sweepFrom)
	for ; c.Valid(); c.Next() {
		if feeds == 0 || len(t.gone) == budget {
			u.sweepFrom = c.Key()
			break
		}
		feeds--
		f := c.Value()
		s := t.states[f]
		if s == nil {
			s = f.State()
			if f.Forgettable(s, t.now) {
				if err := t.forget(f, s); err != nil {
					return 0, err
				}
				continue
			}
		}
		if f.Exceeds(s, t.now) {
			u.over[f] = true
		}
	}
	if !c.Valid() {
		u.sweepFrom, u.sweeping = "", false
	}
	if len(t.gone) == 0 {
		return 0, nil
	}
	if err := t.mark(database.MarkForgotten, t.forgotten); err != nil {
		return 0, err
	}
	return len(t.gone), t.mark(database.MarkLast, t.w.last)
}

// forget removes a feed. Its loss goes into the mark.
func (t *tx) forget(f *registry.Feed, s *registry.State) error {
	t.dirty = true
	t.gone[f] = true
	t.forgotten = max(t.forgotten, s.Lost)
	t.w.dropFeed.BindInt64(1, f.No)
	return database.Run(t.w.dropFeed)
}

// expire deletes items whose own ttl ran out; that is no loss (P4).
func (t *tx) expire(budget int) (n int, err error) {
	q := t.w.expired
	q.BindInt64(1, t.now.UnixMicro())
	q.BindInt64(2, int64(budget))
	var ids []stream.ID
	for {
		row, err := q.Step()
		if err != nil {
			return 0, database.Reset(q, err)
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

// dropKeys deletes idempotency keys that are too old.
func (t *tx) dropKeys(budget int) (int, error) {
	age := t.l.opts.KeyAge
	if age <= 0 {
		return 0, nil
	}
	t.w.oldKey.BindInt64(1, int64(stream.IDAt(t.now.Add(-age))))
	t.w.oldKey.BindInt64(2, int64(budget))
	n, err := database.Number(t.w.oldKey)
	if err != nil || n == 0 {
		return 0, err
	}
	t.dirty = true
	t.keys -= n
	t.w.dropOldKeys.BindInt64(1, n)
	return int(n), database.Run(t.w.dropOldKeys)
}
