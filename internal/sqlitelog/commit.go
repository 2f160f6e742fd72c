package sqlitelog

import (
	"errors"
	"fmt"

	"feedd/internal/sqlitelog/database"
	"feedd/internal/stream"
)

// commit ends the transaction. If it is committed, publish makes it known.
func (t *tx) commit() error {
	if hook := t.l.opts.BeforeCommit; hook != nil && t.batch {
		if err := hook(); err != nil {
			return errors.Join(err, t.rollback())
		}
	}
	if err := t.w.inPlace(t.l); err != nil {
		return errors.Join(err, t.rollback())
	}
	t.announceLosses()
	if len(t.gone) > 0 {
		// No page may span this: see choose in package snapshot.
		t.l.gate.Lock()
		defer t.l.gate.Unlock()
	}
	err := database.Run(t.w.commit)
	if err == nil {
		t.publish()
		return nil
	}
	err = t.l.fault(err)
	if e := t.rollback(); e != nil {
		err = errors.Join(err, e)
	}
	if errors.Is(err, stream.ErrNoSpace) && database.IsBeforeEnd(err) {
		return err // the end of the commit did not fit, so it is not there
	}
	return fmt.Errorf("%w: %w", stream.ErrOutcomeUnknown, err)
}

// announceLosses raises the marks of losses before the commit, so that no
// reader sees a snapshot with a loss that the marks do not have: see choose in
// package snapshot.
func (t *tx) announceLosses() {
	for f, s := range t.states {
		t.l.mayLost.Raise(s.Lost)
		f.MayLost().Raise(s.Lost)
	}
}

// publish puts the committed state into the registry, and tells the hub of the
// commit.
func (t *tx) publish() {
	l := t.l
	edit := l.registry.Load().Edit()
	for _, f := range t.fresh {
		l.w.feeds[f.Name], l.w.byNo[f.No] = f, f
		edit.Add(f)
	}
	l.mu.Lock()
	for f, s := range t.states {
		edit.Lose(f.State().Lost, s.Lost)
		f.SetState(s)
		if f.Exceeds(s, t.now) {
			l.w.upkeep.over[f] = true
		}
	}
	for f := range t.gone {
		delete(l.w.feeds, f.Name)
		delete(l.w.byNo, f.No)
		edit.Remove(f)
		delete(l.w.upkeep.over, f)
	}
	l.forgotten.Raise(t.forgotten)
	l.registry.Store(edit.Done())
	onCommit := l.onCommit
	l.mu.Unlock()
	l.usage.items.Add(t.items)
	l.usage.keys.Add(t.keys)
	if onCommit != nil {
		onCommit(t.tells)
	}
}
