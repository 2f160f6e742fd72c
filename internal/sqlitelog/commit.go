package sqlitelog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"feedd/internal/stream"
)

// writer is the committer's connection and what it alone knows.
type writer struct {
	conn *sqlite.Conn
	// last is the highest id given, committed or not: one whose commit failed
	// is not given again, since the failure may have come after the write.
	last     stream.ID
	nextNo   int64 // the highest number of a feed
	feeds    map[string]*feed
	byNo     map[int64]*feed
	pageSize int64
	upkeep   upkeep
	room     room
	// held is why the store can only be read; nil where it is open as usual.
	held   error
	looked time.Time // when the store was in its place, see inPlace

	begin, commit, rollback                      *sqlite.Stmt
	putItem, putFeed, setFeed, dropFeed          *sqlite.Stmt
	oldItems, dropItems, firstItem               *sqlite.Stmt
	getItem, dropItem, expired                   *sqlite.Stmt
	getKey, putKey, dropKey, dropOldKeys, oldKey *sqlite.Stmt
	putMark, getSource, putSource                *sqlite.Stmt
	pages, freePages, vacuum                     *sqlite.Stmt
	walSize, walMove, walCut                     *sqlite.Stmt
}

const (
	markLast      = "last"
	markForgotten = "forgotten"
	markProbe     = "probe"
)

func (w *writer) prepare() error {
	for _, p := range []struct {
		stmt **sqlite.Stmt
		sql  string
	}{
		{&w.begin, "BEGIN IMMEDIATE"},
		{&w.commit, "COMMIT"},
		{&w.rollback, "ROLLBACK"},
		{&w.putItem, "INSERT INTO item (id, feed, json, event, expires, data) VALUES (?, ?, ?, ?, ?, ?)"},
		{&w.putFeed, "INSERT INTO feed (no, name, items, bytes, oldest, newest, lost, reason) VALUES (?, ?, 0, 0, 0, 0, 0, '')"},
		{&w.setFeed, "UPDATE feed SET items = ?2, bytes = ?3, oldest = ?4, newest = ?5, lost = ?6, reason = ?7, retention = ?8 WHERE no = ?1"},
		{&w.dropFeed, "DELETE FROM feed WHERE no = ?"},
		{&w.oldItems, "SELECT id, octet_length(data) + ifnull(octet_length(event), 0), expires FROM item INDEXED BY item_feed WHERE feed = ? ORDER BY id LIMIT ?"},
		{&w.dropItems, "DELETE FROM item WHERE feed = ? AND id <= ?"},
		{&w.firstItem, "SELECT id FROM item INDEXED BY item_feed WHERE feed = ? ORDER BY id LIMIT 1"},
		{&w.getItem, "SELECT feed, octet_length(data) + ifnull(octet_length(event), 0), expires FROM item WHERE id = ?"},
		{&w.dropItem, "DELETE FROM item WHERE id = ?"},
		{&w.expired, "SELECT id FROM item WHERE expires <= ? ORDER BY expires LIMIT ?"},
		{&w.getKey, "SELECT first, last, content FROM key WHERE name = ?"},
		{&w.putKey, "INSERT INTO key (first, last, name, content) VALUES (?, ?, ?, ?)"},
		{&w.dropKey, "DELETE FROM key WHERE first = ?"},
		{&w.dropOldKeys, "DELETE FROM key WHERE first IN (SELECT first FROM key ORDER BY first LIMIT ?)"},
		{&w.oldKey, "SELECT count(*) FROM (SELECT first FROM key WHERE first < ? ORDER BY first LIMIT ?)"},
		{&w.putMark, "INSERT INTO mark (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"},
		{&w.getSource, "SELECT at FROM source WHERE name = ?"},
		{&w.putSource, "INSERT INTO source (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at"},
		{&w.pages, "PRAGMA page_count"},
		{&w.freePages, "PRAGMA freelist_count"},
		{&w.vacuum, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages)},
		{&w.walSize, "PRAGMA wal_checkpoint(NOOP)"},
		{&w.walMove, "PRAGMA wal_checkpoint(PASSIVE)"},
		{&w.walCut, "PRAGMA wal_checkpoint(TRUNCATE)"},
	} {
		stmt, err := w.conn.Prepare(p.sql)
		if err != nil {
			return err
		}
		*p.stmt = stmt
	}
	w.upkeep.over = make(map[*feed]bool)
	var err error
	w.pageSize, err = pragma(w.conn, "page_size")
	return err
}

// do queues a change and waits until it is committed. When ctx ends it stops
// waiting; the change is made all the same.
func (l *Log) do(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.queue.put(o); err != nil {
		return err
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return &stream.UnfinishedError{Err: ctx.Err(), Done: o.done}
	}
}

// run is the committer.
func (l *Log) run() {
	defer close(l.done)
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	l.w.upkeep.due = true
	for {
		select {
		case <-tick.C:
			l.tick()
		default:
		}
		ops, end := l.queue.take()
		switch {
		case end:
			return
		case len(ops) > 0 && l.w.held != nil:
			answer(ops, l.w.held)
			continue
		case len(ops) > 0:
			l.transact(ops, busyBudget)
			continue
		case l.w.held != nil:
		case l.w.upkeep.waits():
			l.transact(nil, idleBudget)
			continue
		case l.giveBack():
			continue
		}
		select {
		case <-l.queue.more:
		case <-tick.C:
			l.tick()
		}
	}
}

// tick is called each upkeepEvery.
func (l *Log) tick() {
	l.w.upkeep.due = true
	if l.w.held != nil {
		l.openHeld()
		return
	}
	if l.InPlace() == nil { // else what is in its place is not ours to change
		l.look(true)
	}
}

// tx is one transaction of the committer. The registry of feeds is changed
// only after the commit; until then the new states are in here.
type tx struct {
	l      *Log
	w      *writer
	now    time.Time
	states map[*feed]*state
	fresh  map[string]*feed // feeds that this transaction makes
	gone   map[*feed]bool   // feeds that it forgets
	tells  stream.Commit
	items  int64 // change in the number of items
	// written is about how many bytes the WAL grows by.
	written int64
	cost    int64 // what its appends take of the disk, about
	keys    int64 // and of keys
	// forgotten is the highest loss of the feeds in gone.
	forgotten stream.ID
	dirty     bool // something was written
	batch     bool // an Append was: the hooks are for these
}

// refusal is an error that an operation answers with, having changed nothing:
// it does not fail the transaction that it is part of.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// transact runs the operations in one transaction, tells the watcher, and
// answers. Upkeep that waits gets a share of the transaction: at most budget
// rows.
//
// A disk that is full must not keep away what makes room: where the commit does
// not fit, publishing stops, and the rest is tried again.
func (l *Log) transact(ops []*op, budget int) {
	var err error
	for try := 0; ; try++ {
		err = l.attempt(ops, budget)
		if !errors.Is(err, stream.ErrNoSpace) {
			break
		}
		l.stopForRoom(err)
		if !l.makeRoom(try) {
			break
		}
		if errors.Is(err, stream.ErrOutcomeUnknown) {
			var rest []*op
			for _, o := range ops {
				if o.frees {
					rest = append(rest, o)
				} else {
					answer([]*op{o}, err)
				}
			}
			ops = rest
		}
		l.w.upkeep.due = true
	}
	if err != nil {
		l.w.upkeep.failed()
	}
	answer(ops, err)
	if l.w.upkeep.unlooked >= lookEvery {
		l.look(false)
	}
}

// answer ends operations. With an error none of them was done.
func answer(ops []*op, err error) {
	for _, o := range ops {
		if err != nil {
			o.err = err
		}
		close(o.done)
	}
}

// attempt runs the operations in one transaction and tells the watcher.
func (l *Log) attempt(ops []*op, budget int) error {
	t := &tx{
		l: l, w: &l.w, now: l.opts.Now(),
		states: make(map[*feed]*state),
		fresh:  make(map[string]*feed),
		gone:   make(map[*feed]bool),
	}
	if err := t.commit(ops, l.w.room.rows(budget)); err != nil {
		return err
	}
	l.w.upkeep.unlooked += t.written + lookCommit
	l.usage.bytes.Add(t.written) // until it is measured again
	if len(ops) > 0 {
		if err := t.settled(); err != nil {
			return err
		}
	}
	if hook := l.opts.AfterCommit; hook != nil && t.dirty && t.batch {
		if err := hook(); err != nil {
			return fmt.Errorf("%w: %w", stream.ErrOutcomeUnknown, err)
		}
	}
	return nil
}

// commit runs the transaction and, once it is committed, makes it known. After
// an error other than ErrOutcomeUnknown nothing was changed.
func (t *tx) commit(ops []*op, budget int) error {
	if err := run(t.w.begin); err != nil {
		return t.l.fault(err)
	}
	if err := t.fill(ops, budget); err != nil || !t.dirty {
		return errors.Join(t.l.fault(err), t.rollback())
	}
	if hook := t.l.opts.BeforeCommit; hook != nil && t.batch {
		if err := hook(); err != nil {
			return errors.Join(err, t.rollback())
		}
	}
	if err := t.w.inPlace(t.l); err != nil {
		return errors.Join(err, t.rollback())
	}
	t.announce()
	if len(t.gone) > 0 {
		// No page may span this: see choose.
		t.l.gate.Lock()
		defer t.l.gate.Unlock()
	}
	err := run(t.w.commit)
	if err == nil {
		t.publish()
		return nil
	}
	err = t.l.fault(err)
	if e := t.rollback(); e != nil {
		err = errors.Join(err, e)
	}
	if errors.Is(err, stream.ErrNoSpace) && before(err) {
		return err // the end of the commit did not fit, so it is not there
	}
	return fmt.Errorf("%w: %w", stream.ErrOutcomeUnknown, err)
}

// fill makes all changes of the transaction.
func (t *tx) fill(ops []*op, budget int) error {
	for _, o := range ops {
		o.err = o.do(t)
		var no refusal
		if errors.As(o.err, &no) {
			o.err = no.error
		} else if o.err != nil {
			return o.err
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

// rollback ends the transaction where SQLite has not done so itself.
func (t *tx) rollback() error {
	if t.w.conn.AutocommitEnabled() {
		return nil
	}
	return run(t.w.rollback)
}

// announce tells readers what losses they may find from now on: see choose.
func (t *tx) announce() {
	for f, s := range t.states {
		t.l.mayLost.raise(s.lost)
		f.mayLost.raise(s.lost)
	}
}

// publish makes the committed state the registry's, and tells the watcher.
func (t *tx) publish() {
	l := t.l
	registry := l.registry.Load().edit()
	for _, f := range t.fresh {
		l.w.feeds[f.name], l.w.byNo[f.no] = f, f
		registry.add(f)
	}
	l.mu.Lock()
	for f, s := range t.states {
		registry.lose(f.committed.Load().lost, s.lost)
		f.committed.Store(s)
		if over(f.retention(s), s, t.now) {
			l.w.upkeep.over[f] = true
		}
	}
	for f := range t.gone {
		delete(l.w.feeds, f.name)
		delete(l.w.byNo, f.no)
		registry.remove(f)
		delete(l.w.upkeep.over, f)
	}
	l.forgotten.raise(t.forgotten)
	l.registry.Store(registry.done())
	watch := l.watch
	l.mu.Unlock()
	l.usage.items.Add(t.items)
	l.usage.keys.Add(t.keys)
	if watch != nil {
		watch(t.tells)
	}
}

// feed returns the state of a feed in this transaction, nil for one that is
// not there.
func (t *tx) feed(name string) (*feed, *state) {
	f := t.fresh[name]
	if f == nil {
		if f = t.w.feeds[name]; f == nil || t.gone[f] {
			return nil, nil
		}
	}
	return f, t.state(f)
}

func (t *tx) state(f *feed) *state {
	s := t.states[f]
	if s == nil {
		c := *f.committed.Load()
		s = &c
		t.states[f] = s
	}
	t.dirty = true
	return s
}

// needFeed returns the state of a feed, which it makes where there is none.
func (t *tx) needFeed(name string) (*feed, *state, error) {
	if f, s := t.feed(name); f != nil {
		return f, s, nil
	}
	if most := t.l.opts.Feeds; most > 0 && len(t.w.feeds)+len(t.fresh)-len(t.gone) >= most {
		return nil, nil, refusal{fmt.Errorf("%w: %d", stream.ErrTooManyFeeds, most)}
	}
	t.w.nextNo++
	var s state
	// It may be one that was forgotten: its loss is in the mark.
	if s.lost = max(t.l.forgotten.get(), t.forgotten); s.lost > 0 {
		s.reason = stream.Trimmed
	}
	f := newFeed(t.w.nextNo, name, s)
	if r := t.l.opts.Retention; r != nil {
		f.configured = r(name)
	}
	t.w.putFeed.BindInt64(1, f.no)
	t.w.putFeed.BindText(2, f.name)
	if err := run(t.w.putFeed); err != nil {
		return nil, nil, err
	}
	t.fresh[name] = f
	return f, t.state(f), nil
}

func (w *writer) saveFeed(f *feed, s *state) error {
	u := w.setFeed
	u.BindInt64(1, f.no)
	u.BindInt64(2, int64(s.items))
	u.BindInt64(3, s.bytes)
	u.BindInt64(4, int64(s.oldest))
	u.BindInt64(5, int64(s.newest))
	u.BindInt64(6, int64(s.lost))
	u.BindText(7, string(s.reason))
	if s.own == nil {
		u.BindNull(8)
	} else {
		u.BindText(8, encodeRetention(*s.own))
	}
	return run(u)
}

// fault puts an error of SQLite's into the words of package stream.
func (l *Log) fault(err error) error {
	if err == nil {
		return nil
	}
	if l.full(err) {
		return fmt.Errorf("%w: %s: %w", stream.ErrNoSpace, l.path, err)
	}
	return fmt.Errorf("%s: %w", l.path, explain(err))
}
