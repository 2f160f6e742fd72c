package snapshot

import (
	"zombiezen.com/go/sqlite"

	"feedd/internal/sqlitelog/database"
)

// reader is a reading connection. One page at a time uses it.
type reader struct {
	conn *sqlite.Conn
	// broken is why there is no connection, nil if there is one.
	broken error

	begin, end          *sqlite.Stmt
	feedUp, feedDown    *sqlite.Stmt // items of one feed
	allUp, allDown      *sqlite.Stmt // items of all feeds
	idsUp, idsDown      *sqlite.Stmt // ids of one feed
	item, lost, allLost *sqlite.Stmt
	mark, last, first   *sqlite.Stmt
}

func openReader(connect func() (*sqlite.Conn, error)) (*reader, error) {
	conn, err := connect()
	if err != nil {
		return nil, err
	}
	r := &reader{conn: conn}
	const cols = "SELECT id, feed, json, event, expires, data FROM item "
	err = database.Prepare(conn, map[**sqlite.Stmt]string{
		&r.begin:    "BEGIN",
		&r.end:      "COMMIT",
		&r.feedUp:   cols + "INDEXED BY item_feed WHERE id > ?1 AND id <= ?2 AND feed = ?3 ORDER BY id",
		&r.feedDown: cols + "INDEXED BY item_feed WHERE id > ?1 AND id <= ?2 AND feed = ?3 ORDER BY id DESC",
		&r.allUp:    cols + "NOT INDEXED WHERE id > ?1 AND id <= ?2 ORDER BY id",
		&r.allDown:  cols + "NOT INDEXED WHERE id > ?1 AND id <= ?2 ORDER BY id DESC",
		&r.idsUp:    "SELECT id FROM item INDEXED BY item_feed WHERE id > ?1 AND id <= ?2 AND feed = ?3 ORDER BY id LIMIT ?4",
		&r.idsDown:  "SELECT id FROM item INDEXED BY item_feed WHERE id > ?1 AND id <= ?2 AND feed = ?3 ORDER BY id DESC LIMIT ?4",
		&r.item:     cols + "WHERE id = ?",
		&r.lost:     "SELECT lost, reason FROM feed WHERE no = ?",
		&r.allLost:  "SELECT lost, reason, no FROM feed WHERE lost > ?",
		&r.mark:     "SELECT value FROM mark WHERE name = ?",
		&r.first:    "SELECT id FROM item INDEXED BY item_feed WHERE id > ?1 AND feed = ?2 AND (expires IS NULL OR expires > ?3) ORDER BY id LIMIT 1",
		&r.last:     "SELECT max(id) FROM item WHERE id <= ?",
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return r, nil
}

func (r *reader) close() error {
	if r.conn == nil {
		return nil
	}
	return r.conn.Close()
}
