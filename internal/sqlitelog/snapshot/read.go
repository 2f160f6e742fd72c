package sqlitelog

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"zombiezen.com/go/sqlite"

	"feedd/internal/selector"
	"feedd/internal/stream"
)

const (
	// scanRows is how many rows a page looks at: a sparse filter must not hold
	// the read gate for a whole store.
	scanRows = 10_000
	// mergeFeeds is up to how many feeds are read by merging them. Above it
	// the whole store is scanned in the order of ids.
	mergeFeeds = 256
)

// reader is a reading connection. One page at a time uses it.
type reader struct {
	conn *sqlite.Conn
	// broken is why there is no connection, nil where there is one.
	broken error

	begin, end          *sqlite.Stmt
	feedUp, feedDown    *sqlite.Stmt // items of one feed
	allUp, allDown      *sqlite.Stmt // items of all feeds
	idsUp, idsDown      *sqlite.Stmt // ids of one feed
	item, lost, allLost *sqlite.Stmt
	mark, floor, first  *sqlite.Stmt
}

// readerPragmas are for a connection that reads.
var readerPragmas = []string{"PRAGMA query_only = ON", "PRAGMA cache_size = -8000"}

// newReader prepares a connection, which it closes on an error.
func newReader(conn *sqlite.Conn) (_ *reader, err error) {
	r := &reader{conn: conn}
	const cols = "SELECT id, feed, json, event, expires, data FROM item "
	for _, p := range []struct {
		stmt **sqlite.Stmt
		sql  string
	}{
		{&r.begin, "BEGIN"},
		{&r.end, "COMMIT"},
		{&r.feedUp, cols + "INDEXED BY item_feed WHERE id > ?1 AND id <= ?2 AND feed = ?3 ORDER BY id"},
		{&r.feedDown, cols + "INDEXED BY item_feed WHERE id > ?1 AND id <= ?2 AND feed = ?3 ORDER BY id DESC"},
		{&r.allUp, cols + "NOT INDEXED WHERE id > ?1 AND id <= ?2 ORDER BY id"},
		{&r.allDown, cols + "NOT INDEXED WHERE id > ?1 AND id <= ?2 ORDER BY id DESC"},
		{&r.idsUp, "SELECT id FROM item INDEXED BY item_feed WHERE id > ?1 AND id <= ?2 AND feed = ?3 ORDER BY id LIMIT ?4"},
		{&r.idsDown, "SELECT id FROM item INDEXED BY item_feed WHERE id > ?1 AND id <= ?2 AND feed = ?3 ORDER BY id DESC LIMIT ?4"},
		{&r.item, cols + "WHERE id = ?"},
		{&r.lost, "SELECT lost, reason FROM feed WHERE no = ?"},
		{&r.allLost, "SELECT lost, reason, no FROM feed WHERE lost > ?"},
		{&r.mark, "SELECT value FROM mark WHERE name = ?"},
		{&r.first, "SELECT id FROM item INDEXED BY item_feed WHERE id > ?1 AND feed = ?2 AND (expires IS NULL OR expires > ?3) ORDER BY id LIMIT 1"},
		{&r.floor, "SELECT max(id) FROM item WHERE id <= ?"},
	} {
		if *p.stmt, err = conn.Prepare(p.sql); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return r, nil
}

// page runs fn with a reader, in one transaction under the read gate.
func (l *Log) page(ctx context.Context, fn func(*reader) error) error {
	if l.closed.Load() {
		return stream.ErrClosed
	}
	var r *reader
	select {
	case r = <-l.readers:
	case <-ctx.Done():
		return ctx.Err()
	case <-l.done:
		return stream.ErrClosed
	}
	defer func() { l.readers <- r }()
	if r.broken != nil {
		return r.broken
	}
	l.gate.RLock()
	defer l.gate.RUnlock()
	if err := run(r.begin); err != nil {
		return fmt.Errorf("%s: %w", l.path, explain(err))
	}
	err := fn(r)
	if e := run(r.end); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.path, explain(err))
	}
	return nil
}

// Read implements stream.Log.
func (l *Log) Read(ctx context.Context, q stream.Query) (stream.Page, error) {
	if len(q.Select.Patterns()) > 0 {
		select {
		case l.patterns <- struct{}{}:
			defer func() { <-l.patterns }()
		case <-ctx.Done():
			return stream.Page{}, ctx.Err()
		case <-l.done:
			return stream.Page{}, stream.ErrClosed
		}
	}
	s := &scan{q: q, now: l.opts.Now(), bytes: q.Bytes}
	err := l.page(ctx, func(r *reader) error {
		// The first row that is read fixes the snapshot; see choose.
		r.mark.BindText(1, markForgotten)
		forgotten, err := number(r.mark)
		if err != nil {
			return err
		}
		s.forgotten = stream.ID(forgotten)
		l.choose(s)
		if err := s.read(r); err != nil {
			return err
		}
		return s.losses(r)
	})
	if err != nil {
		return stream.Page{}, err
	}
	return s.page(), nil
}

// scan is one Read.
type scan struct {
	q   stream.Query
	now time.Time

	// feeds are those that may hold something in the range: all of them where
	// merge is set, else more than mergeFeeds. Suspects are all that may have lost
	// something, where one of them may have lost what the reader was not told of.
	feeds, suspects []*feed
	merge           bool // read feeds one by one, merged; else scan all items
	registry        *registry
	names           map[int64]string // of numbers that were looked up; "": not selected
	due             bool             // there may be a loss that the reader was not told of
	// forgotten is the mark of forgotten feeds, and absent says that one of them
	// may be selected: a feed that is not here, or that the snapshot has not.
	forgotten stream.ID
	absent    bool

	items  []stream.Item
	bytes  int // left
	rows   int
	seen   stream.ID // the last id looked at, 0 for none
	next   stream.ID // where the page was full, the id that comes after it
	oldest stream.ID // the first that had not expired, 0 for none
	full   bool      // stopped before the end of the range
	loss   *stream.Loss
}

// choose finds the feeds to look at in the registry. It is called after the
// snapshot was fixed, and the registry may be ahead of that. So it uses only
// what can never leave out too much:
//
//   - A feed's newest id never falls, and is the registry's before the head moves
//     up to it. UpTo is at or below a head, so whatever is selected up to it is
//     of a feed that is known here, with a newest id at or above it. A commit that
//     the snapshot has and the registry does not know yet is above UpTo.
//   - mayLost, a feed's and that of all, is raised before the commit that makes it
//     true, so a loss that the snapshot has is known here.
//   - A feed is forgotten only while no page is read, so whatever the snapshot has
//     is in the registry that is taken here. One that was forgotten before and is
//     made again meanwhile is here and not in the snapshot: see eachLost.
//
// Each of these is about one feed at a time, and all that is read moves up only.
// So it does not matter that commits go on while the feeds are looked at, one
// after the other and without a lock.
func (l *Log) choose(s *scan) {
	q := &s.q
	told := max(q.After, q.LossTold)
	s.registry = l.registry.Load()
	names, plain := q.Select.Names()
	if q.Backward {
		s.forgotten = 0
	}
	// Where nobody lost anything that the reader was not told of, there is no need
	// to know all feeds.
	losses := !q.Backward && max(l.mayLost.get(), s.forgotten) > told
	consider := func(f *feed) bool {
		if f.committed.Load().newest > q.After {
			s.feeds = append(s.feeds, f)
		}
		if lost := f.mayLost.get(); losses && lost > q.After {
			s.suspects = append(s.suspects, f)
			s.due = s.due || lost > told
		}
		return plain || losses || len(s.feeds) <= mergeFeeds
	}
	if plain {
		for _, name := range names {
			if f, ok := s.registry.names.Get(name); ok {
				consider(f)
			} else {
				s.absent = true
			}
		}
	} else {
		s.absent = true
		selector.Resolve(q.Select, s.registry.names, consider)
	}
	s.due = s.due || s.absent && s.forgotten > told
	s.merge = plain || len(s.feeds) <= mergeFeeds
	s.names = make(map[int64]string)
	if s.merge {
		for _, f := range s.feeds {
			s.names[f.no] = f.name
		}
	}
}

// selected returns the name of a feed by its number, "" for one that is not
// selected.
func (s *scan) selected(no int64) string {
	name, known := s.names[no]
	if !known && !s.merge {
		if f, ok := s.registry.numbers.Get(no); ok && s.q.Select.Has(f.name) {
			name = f.name
		}
		s.names[no] = name
	}
	return name
}

// read collects the items of the page.
func (s *scan) read(r *reader) error {
	switch {
	case len(s.feeds) == 0 || s.q.UpTo <= s.q.After:
		return nil
	case !s.merge:
		return s.step(pick(s.q.Backward, r.allDown, r.allUp), false)
	case len(s.feeds) == 1:
		stmt := pick(s.q.Backward, r.feedDown, r.feedUp)
		stmt.BindInt64(3, s.feeds[0].no)
		return s.step(stmt, false)
	}
	return s.mergeFeeds(r)
}

func pick(backward bool, down, up *sqlite.Stmt) *sqlite.Stmt {
	if backward {
		return down
	}
	return up
}

// step takes the rows of a statement until the page is full.
func (s *scan) step(stmt *sqlite.Stmt, one bool) error {
	if !one {
		stmt.BindInt64(1, int64(s.q.After))
		stmt.BindInt64(2, int64(s.q.UpTo))
	}
	for {
		row, err := stmt.Step()
		if err != nil || !row {
			return reset(stmt, err)
		}
		if !s.take(stmt) {
			return stmt.Reset()
		}
	}
}

// take looks at a row, and reports whether to go on.
func (s *scan) take(row *sqlite.Stmt) bool {
	id := stream.ID(row.ColumnInt64(0))
	if s.rows == scanRows {
		s.full, s.next = true, id
		return false
	}
	name := s.selected(row.ColumnInt64(1))
	selected := name != ""
	var expires time.Time
	if !row.ColumnIsNull(4) {
		expires = time.UnixMicro(row.ColumnInt64(4)).UTC()
		selected = selected && s.now.Before(expires)
	}
	if selected && s.oldest == 0 {
		s.oldest = id
	}
	event := ""
	if !row.ColumnIsNull(3) {
		event = row.ColumnText(3)
	}
	if selected && s.q.Select.HasEvent(event) {
		size := row.ColumnLen(5) + len(event)
		if n := len(s.items); n == s.q.Items || n > 0 && size > s.bytes {
			s.full, s.next = true, id
			return false
		}
		s.bytes -= size
		s.items = append(s.items, stream.Item{
			ID: id, Feed: name, Event: event, Time: id.Time(), Expires: expires,
			JSON: row.ColumnBool(2), Data: bytesOf(row.ColumnText(5)),
		})
	}
	s.rows++
	s.seen = id
	return true
}

// bytesOf gives the bytes of a string that nobody else holds; they are never
// written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// mergeFeeds reads several feeds in the order of ids: it merges their ids,
// fetched a few at a time, and looks up the items one by one.
func (s *scan) mergeFeeds(r *reader) error {
	stmt := pick(s.q.Backward, r.idsDown, r.idsUp)
	chunk := min(max(2*s.q.Items/len(s.feeds), 4), 256)
	lists := make([]idList, len(s.feeds))
	for i, f := range s.feeds {
		lists[i] = idList{no: f.no, after: s.q.After, upTo: s.q.UpTo, backward: s.q.Backward, chunk: chunk}
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
			return reset(stmt, err)
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

// page is the answer.
func (s *scan) page() stream.Page {
	p := stream.Page{Items: s.items, Loss: s.loss, More: s.full}
	switch {
	case s.q.Backward && s.full:
		p.Through = s.next
	case s.q.Backward:
		p.Through = s.q.After
	case s.full:
		p.Through = s.seen
	default:
		p.Through = max(s.q.UpTo, s.q.After)
	}
	if s.q.Backward {
		slices.Reverse(p.Items)
	}
	return p
}

func (r *reader) close() error {
	if r.conn == nil {
		return nil
	}
	return r.conn.Close()
}
