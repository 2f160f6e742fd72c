package snapshot

import (
	"context"
	"slices"
	"time"
	"unsafe"

	"zombiezen.com/go/sqlite"

	"feedd/internal/sqlitelog/database"
	"feedd/internal/sqlitelog/registry"
	"feedd/internal/stream"
)

// scanRows is how many rows a page looks at, because a filter that matches rarely
// must not hold the read gate for a whole store. It is ten times the items that a
// page has over HTTP, so that a filter that takes one item in ten fills a page.
const scanRows = 10_000

// Read reads one page: see [stream.Log].
func (p *Pool) Read(ctx context.Context, q stream.Query) (stream.Page, error) {
	if len(q.Select.Patterns()) > 0 {
		select {
		case p.patterns <- struct{}{}:
			defer func() { <-p.patterns }()
		case <-ctx.Done():
			return stream.Page{}, ctx.Err()
		case <-p.closed:
			return stream.Page{}, stream.ErrClosed
		}
	}
	s := &scan{q: q, now: p.src.Now(), bytes: q.Bytes}
	err := p.page(ctx, func(r *reader) error {
		// The first row that is read fixes the snapshot; see choose.
		r.mark.BindText(1, database.MarkForgotten)
		forgotten, err := database.Number(r.mark)
		if err != nil {
			return err
		}
		s.forgotten = stream.ID(forgotten)
		p.choose(s)
		if err := s.read(r); err != nil {
			return err
		}
		return s.findLoss(r)
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

	// feeds are those that may hold something in the range: all of them if merge
	// is set, else more than mergeFeeds. Suspects are all that may have lost
	// something, if one of them may have lost what the reader was not told of.
	feeds, suspects []*registry.Feed
	merge           bool // read feeds one by one, merged; else scan all items
	registry        *registry.Registry
	names           map[int64]string // of numbers that were looked up; "": not selected
	due             bool             // there may be a loss that the reader was not told of
	// forgotten is the mark of forgotten feeds, and absent says that one of them
	// may be selected: a feed that is not here, or that the snapshot has not.
	forgotten stream.ID
	absent    bool

	items  []stream.Item
	bytes  int // that the page may still hold
	rows   int
	seen   stream.ID // the last id looked at, 0 for none
	next   stream.ID // if the page was full, the id that comes after it
	oldest stream.ID // the first that had not expired, 0 for none
	full   bool      // stopped before the end of the range
	loss   *stream.Loss
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
		stmt.BindInt64(3, s.feeds[0].No)
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

// step takes the rows of a statement until the page is full. The statement is for
// the range of the query, or for one item.
func (s *scan) step(stmt *sqlite.Stmt, one bool) error {
	if !one {
		stmt.BindInt64(1, int64(s.q.After))
		stmt.BindInt64(2, int64(s.q.UpTo))
	}
	for {
		row, err := stmt.Step()
		if err != nil || !row {
			return database.Reset(stmt, err)
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

// bytesOf returns the bytes of a string that has no other user. They are never
// written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// page returns the answer.
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
