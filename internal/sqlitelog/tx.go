package sqlitelog

import (
	"errors"
	"fmt"
	"time"

	"feedd/internal/sqlitelog/database"
	"feedd/internal/sqlitelog/registry"
	"feedd/internal/stream"
)

// tx is one transaction of the committer. The registry of feeds is changed
// only after the commit; until then the new states are in here.
type tx struct {
	l      *Log
	w      *writer
	now    time.Time
	states map[*registry.Feed]*registry.State
	fresh  map[string]*registry.Feed // feeds that this transaction makes
	gone   map[*registry.Feed]bool   // feeds that it forgets
	tells  stream.Commit
	items  int64 // change in the number of items
	keys   int64 // change in the number of keys
	// written is about how many bytes the WAL grows by.
	written int64
	taken   int64 // what its appends took of the disk's room, in bytes
	// forgotten is the highest loss of the feeds in gone.
	forgotten stream.ID
	dirty     bool // something was written
	batch     bool // a batch was stored: the hooks are for these
}

func (l *Log) newTx() *tx {
	return &tx{
		l: l, w: &l.w, now: l.opts.Now(),
		states: make(map[*registry.Feed]*registry.State),
		fresh:  make(map[string]*registry.Feed),
		gone:   make(map[*registry.Feed]bool),
	}
}

// refusal is an error that an operation answers with, having changed nothing:
// it does not fail the transaction that it is part of.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// run runs the transaction: operations, retention, at most budget rows of upkeep,
// and the commit, which is then made known. After an error other than
// ErrOutcomeUnknown nothing was changed.
func (t *tx) run(ops []*op, budget int) error {
	if err := database.Run(t.w.begin); err != nil {
		return t.l.fault(err)
	}
	if err := t.change(ops, budget); err != nil || !t.dirty {
		return errors.Join(t.l.fault(err), t.rollback())
	}
	return t.commit()
}

// change makes all changes of the transaction.
func (t *tx) change(ops []*op, budget int) error {
	for _, o := range ops {
		o.refused = nil
		err := o.do(t)
		var no refusal
		if errors.As(err, &no) {
			o.refused = no.error
		} else if err != nil {
			return err
		}
	}
	if err := t.trimTouched(); err != nil {
		return err
	}
	if err := t.doUpkeep(budget); err != nil {
		return err
	}
	for f, s := range t.states {
		if !t.gone[f] {
			if err := t.w.saveFeed(f, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// rollback ends the transaction, if SQLite has not done so itself.
func (t *tx) rollback() error {
	if t.w.conn.AutocommitEnabled() {
		return nil
	}
	return database.Run(t.w.rollback)
}

// feed returns the state of a feed in this transaction, nil if it is not there.
func (t *tx) feed(name string) (*registry.Feed, *registry.State) {
	f := t.fresh[name]
	if f == nil {
		if f = t.w.feeds[name]; f == nil || t.gone[f] {
			return nil, nil
		}
	}
	return f, t.state(f)
}

// state returns the state of a feed in this transaction, to be changed.
func (t *tx) state(f *registry.Feed) *registry.State {
	s := t.states[f]
	if s == nil {
		c := *f.State()
		s = &c
		t.states[f] = s
	}
	t.dirty = true
	return s
}

// needFeed returns the state of a feed, which it makes if there is none.
func (t *tx) needFeed(name string) (*registry.Feed, *registry.State, error) {
	if f, s := t.feed(name); f != nil {
		return f, s, nil
	}
	if most := t.l.opts.Feeds; most > 0 && len(t.w.feeds)+len(t.fresh)-len(t.gone) >= most {
		return nil, nil, refusal{fmt.Errorf("%w: %d", stream.ErrTooManyFeeds, most)}
	}
	t.w.nextNo++
	var s registry.State
	// It may be one that was forgotten: its loss is in the mark.
	if s.Lost = max(t.l.forgotten.Get(), t.forgotten); s.Lost > 0 {
		s.Reason = stream.Trimmed
	}
	f := registry.NewFeed(t.w.nextNo, name, t.l.configured(name), s)
	t.w.putFeed.BindInt64(1, f.No)
	t.w.putFeed.BindText(2, f.Name)
	if err := database.Run(t.w.putFeed); err != nil {
		return nil, nil, err
	}
	t.fresh[name] = f
	return f, t.state(f), nil
}

// configured returns the configured retention of a feed.
func (l *Log) configured(name string) (r stream.Retention) {
	if l.opts.Retention != nil {
		r = l.opts.Retention(name)
	}
	return r
}

// byNo returns the feed of a number, nil if it is not known.
func (t *tx) byNo(no int64) *registry.Feed {
	if f := t.w.byNo[no]; f != nil {
		return f
	}
	for _, f := range t.fresh {
		if f.No == no {
			return f
		}
	}
	return nil
}

// mark raises a mark of the store: see package database.
func (t *tx) mark(name string, id stream.ID) error {
	t.dirty = true
	t.w.putMark.BindText(1, name)
	t.w.putMark.BindInt64(2, int64(id))
	return database.Run(t.w.putMark)
}
