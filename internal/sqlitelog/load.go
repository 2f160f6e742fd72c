package sqlitelog

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"feedd/internal/sqlitelog/database"
	"feedd/internal/sqlitelog/registry"
	"feedd/internal/stream"
)

// maxOpenings bounds the table of openings: 27 years of a start a day, in 160 KB
// of memory. When older ones go, a position from before them is no longer
// recognised as another store's.
const maxOpenings = 10_000

// load reads the feeds, openings and marks, before the first page is read.
func (l *Log) load(conn *sqlite.Conn) error {
	l.openings = nil // a store that cannot be written is loaded twice
	var items, bytes int64
	l.w.feeds, l.w.byNo = make(map[string]*registry.Feed), make(map[int64]*registry.Feed)
	edit := new(registry.Registry).Edit()
	err := database.Query(conn, "SELECT no, name, items, bytes, oldest, newest, lost, reason, retention FROM feed", func(s *sqlite.Stmt) error {
		row := registry.State{
			Items:  s.ColumnInt(2),
			Bytes:  s.ColumnInt64(3),
			Oldest: stream.ID(s.ColumnInt64(4)),
			Newest: stream.ID(s.ColumnInt64(5)),
			Lost:   stream.ID(s.ColumnInt64(6)),
			Reason: stream.Reason(s.ColumnText(7)),
		}
		no, name := s.ColumnInt64(0), s.ColumnText(1)
		if !s.ColumnIsNull(8) {
			own, err := decodeRetention(s.ColumnText(8))
			if err != nil {
				return fmt.Errorf("feed %s: %w", name, err)
			}
			row.Own = own
		}
		f := registry.NewFeed(no, name, l.configured(name), row)
		l.mayLost.Raise(row.Lost)
		items += int64(row.Items)
		bytes += row.Bytes
		l.w.feeds[name], l.w.byNo[no] = f, f
		edit.Add(f)
		l.w.last = max(l.w.last, row.Newest)
		l.w.nextNo = max(l.w.nextNo, no)
		return nil
	})
	if err != nil {
		return err
	}
	l.registry.Store(edit.Done())
	err = database.Query(conn, "SELECT time, last FROM opening ORDER BY time", func(s *sqlite.Stmt) error {
		o := stream.Opening{Time: stream.ID(s.ColumnInt64(0)), Last: stream.ID(s.ColumnInt64(1))}
		l.openings = append(l.openings, o)
		l.w.last = max(l.w.last, o.Time)
		return nil
	})
	if err != nil {
		return err
	}
	err = database.Query(conn, "SELECT name, value FROM mark", func(s *sqlite.Stmt) error {
		id := stream.ID(s.ColumnInt64(1))
		switch s.ColumnText(0) {
		case database.MarkLast:
			l.w.last = max(l.w.last, id)
		case database.MarkForgotten:
			l.forgotten.Raise(id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	// The newest item is the one row whose damage would break a promise
	// unseen: an id below it must not be given again.
	newest, err := database.QueryNumber(conn, "SELECT max(id) FROM item")
	if err != nil {
		return err
	}
	l.w.last = max(l.w.last, stream.ID(newest))
	keys, err := database.QueryNumber(conn, "SELECT count(*) FROM key")
	if err != nil {
		return err
	}
	l.usage.items.Store(items)
	l.usage.keys.Store(keys)
	return nil
}

// recordOpening writes down the hole before this opening: no id between the
// last one known here and now was given by this store. So a reader that presents
// one had it from another store, or from this one before it was restored from
// an older copy (assumed: the clock does not step back across that).
func (l *Log) recordOpening() error {
	o := stream.Opening{Last: l.w.last, Time: max(l.w.last+1, stream.IDAt(l.opts.Now()))}
	if o.Time > stream.MaxID {
		return fmt.Errorf("the ids are used up: the next would be %s", o.Time)
	}
	err := database.Exec(l.w.conn, "INSERT INTO opening (time, last) VALUES (?, ?)", int64(o.Time), int64(o.Last))
	if err != nil {
		return err
	}
	openings := append(slices.Clone(l.openings), o)
	l.w.last = o.Time
	if old := len(openings) - maxOpenings; old > 0 {
		openings = openings[old:]
		// If this fails the next opening does it, because this one is committed.
		database.Exec(l.w.conn, "DELETE FROM opening WHERE time < ?", int64(openings[0].Time))
	}
	l.mu.Lock()
	l.openings = openings
	l.mu.Unlock()
	return nil
}

// retentionRow is a feed's own retention as the store keeps it.
type retentionRow struct {
	MaxItems int           `json:"max_items"`
	MaxBytes int64         `json:"max_bytes"`
	MaxAge   time.Duration `json:"max_age_ns"`
}

func encodeRetention(r stream.Retention) string {
	b, err := json.Marshal(retentionRow(r))
	if err != nil {
		panic(err) // three numbers
	}
	return string(b)
}

func decodeRetention(s string) (*stream.Retention, error) {
	var row retentionRow
	if err := json.Unmarshal([]byte(s), &row); err != nil {
		return nil, fmt.Errorf("its retention: %w", err)
	}
	r := stream.Retention(row)
	return &r, nil
}
