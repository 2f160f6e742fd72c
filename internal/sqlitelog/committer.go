package sqlitelog

import (
	"errors"
	"fmt"
	"time"

	"feedd/internal/sqlitelog/database"
	"feedd/internal/stream"
)

// run is the committer.
func (l *Log) run() {
	defer close(l.done)
	tick := time.NewTicker(l.w.upkeep.every)
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
			endAll(ops, l.w.held)
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
	if l.InPlace() == nil { // else the store in its place is another one, and stays as it is
		l.look(true)
	}
}

// transact runs the operations in one transaction, tells of it, and ends them.
// Upkeep that waits gets a share of the transaction: at most budget rows.
//
// A full disk must not keep operations that make room from being done: if the
// commit does not fit, publishing stops, and these are tried again.
func (l *Log) transact(ops []*op, budget int) {
	var err error
	for try := 0; ; try++ {
		err = l.attempt(ops, budget)
		if !errors.Is(err, stream.ErrNoSpace) {
			break
		}
		l.room.Stop(err)
		if !l.makeRoom(try) {
			break
		}
		if errors.Is(err, stream.ErrOutcomeUnknown) {
			// Only what may be done twice is tried again.
			var again []*op
			for _, o := range ops {
				if o.frees {
					again = append(again, o)
				} else {
					o.end(err)
				}
			}
			ops = again
		}
		l.w.upkeep.due = true
	}
	if err != nil {
		l.w.upkeep.failed()
	}
	endAll(ops, err)
	if l.w.upkeep.unlooked >= lookEvery {
		l.look(false)
	}
}

// endAll ends operations. With an error none of them was done.
func endAll(ops []*op, err error) {
	for _, o := range ops {
		o.end(err)
	}
}

// attempt runs the operations in one transaction and tells of it.
func (l *Log) attempt(ops []*op, budget int) error {
	t := l.newTx()
	if err := t.run(ops, l.rows(budget)); err != nil {
		return err
	}
	l.w.upkeep.unlooked += t.written + lookCommit
	l.usage.bytes.Add(t.written) // until it is measured again
	if len(ops) > 0 {
		if err := t.inPlaceStill(); err != nil {
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

// fault puts an error of SQLite's into the words of package stream.
func (l *Log) fault(err error) error {
	if err == nil {
		return nil
	}
	if l.full(err) {
		return fmt.Errorf("%w: %s: %w", stream.ErrNoSpace, l.path, err)
	}
	return fmt.Errorf("%s: %w", l.path, database.Explain(err))
}
