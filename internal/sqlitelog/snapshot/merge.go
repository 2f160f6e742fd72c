package snapshot

import (
	"zombiezen.com/go/sqlite"

	"feedd/internal/sqlitelog/database"
	"feedd/internal/stream"
)

// leastIDs and mostIDs bound how many ids of a feed are fetched at a time: below
// the first a query is made for too few rows, and above the other rows are read
// that the page has no room for.
const leastIDs, mostIDs = 4, 256

// mergeFeeds reads several feeds in the order of ids: it merges their ids,
// fetched a few at a time, and looks up the items one by one.
func (s *scan) mergeFeeds(r *reader) error {
	stmt := pick(s.q.Backward, r.idsDown, r.idsUp)
	// Twice the share of each feed, so that most feeds are asked once.
	chunk := min(max(2*s.q.Items/len(s.feeds), leastIDs), mostIDs)
	lists := make([]idList, len(s.feeds))
	for i, f := range s.feeds {
		lists[i] = idList{no: f.No, after: s.q.After, upTo: s.q.UpTo, backward: s.q.Backward, chunk: chunk}
		if err := lists[i].fill(stmt); err != nil {
			return err
		}
	}
	for {
		next := -1
		for i := range lists {
			if len(lists[i].ids) == 0 {
				continue
			}
			if next < 0 || (lists[i].ids[0] < lists[next].ids[0]) != s.q.Backward {
				next = i
			}
		}
		if next < 0 {
			return nil
		}
		r.item.BindInt64(1, int64(lists[next].ids[0]))
		if err := s.step(r.item, true); err != nil || s.full {
			return err
		}
		if err := lists[next].pop(stmt); err != nil {
			return err
		}
	}
}

// idList is the ids of one feed in a range, in the order of reading.
type idList struct {
	no          int64
	after, upTo stream.ID
	backward    bool
	chunk       int
	ids         []stream.ID // the next ones; empty at the end
}

func (l *idList) fill(stmt *sqlite.Stmt) error {
	stmt.BindInt64(1, int64(l.after))
	stmt.BindInt64(2, int64(l.upTo))
	stmt.BindInt64(3, l.no)
	stmt.BindInt64(4, int64(l.chunk))
	for {
		row, err := stmt.Step()
		if err != nil || !row {
			return database.Reset(stmt, err)
		}
		l.ids = append(l.ids, stream.ID(stmt.ColumnInt64(0)))
	}
}

func (l *idList) pop(stmt *sqlite.Stmt) error {
	id := l.ids[0]
	l.ids = l.ids[1:]
	if len(l.ids) > 0 {
		return nil
	}
	if l.backward {
		l.upTo = id - 1
	} else {
		l.after = id
	}
	return l.fill(stmt)
}
