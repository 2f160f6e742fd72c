package sqlitelog

import (
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"feedd/internal/sqlitelog/database"
	"feedd/internal/sqlitelog/registry"
	"feedd/internal/stream"
)

// writer is the committer's connection and what it alone knows.
type writer struct {
	conn *sqlite.Conn
	// last is the highest id given, committed or not: one whose commit failed
	// is not given again, because the failure may have come after the write.
	last     stream.ID
	nextNo   int64 // the highest number of a feed
	feeds    map[string]*registry.Feed
	byNo     map[int64]*registry.Feed
	pageSize int64
	upkeep   upkeep
	// held is why the store can only be read; nil if it is open as usual.
	held          error
	lastSeenPlace time.Time // when the store was in its place, see inPlace

	begin, commit, rollback                      *sqlite.Stmt
	putItem, putFeed, setFeed, dropFeed          *sqlite.Stmt
	oldItems, dropItems, firstItem               *sqlite.Stmt
	getItem, dropItem, expired                   *sqlite.Stmt
	getKey, putKey, dropKey, dropOldKeys, oldKey *sqlite.Stmt
	putMark, getSource, putSource                *sqlite.Stmt
	pages, freePages, vacuum                     *sqlite.Stmt
	walSize, walMove, walCut                     *sqlite.Stmt
}

func (w *writer) prepare() error {
	err := database.Prepare(w.conn, map[**sqlite.Stmt]string{
		&w.begin:       "BEGIN IMMEDIATE",
		&w.commit:      "COMMIT",
		&w.rollback:    "ROLLBACK",
		&w.putItem:     "INSERT INTO item (id, feed, json, event, expires, data) VALUES (?, ?, ?, ?, ?, ?)",
		&w.putFeed:     "INSERT INTO feed (no, name, items, bytes, oldest, newest, lost, reason) VALUES (?, ?, 0, 0, 0, 0, 0, '')",
		&w.setFeed:     "UPDATE feed SET items = ?2, bytes = ?3, oldest = ?4, newest = ?5, lost = ?6, reason = ?7, retention = ?8 WHERE no = ?1",
		&w.dropFeed:    "DELETE FROM feed WHERE no = ?",
		&w.oldItems:    "SELECT id, octet_length(data) + ifnull(octet_length(event), 0), expires FROM item INDEXED BY item_feed WHERE feed = ? ORDER BY id LIMIT ?",
		&w.dropItems:   "DELETE FROM item WHERE feed = ? AND id <= ?",
		&w.firstItem:   "SELECT id FROM item INDEXED BY item_feed WHERE feed = ? ORDER BY id LIMIT 1",
		&w.getItem:     "SELECT feed, octet_length(data) + ifnull(octet_length(event), 0), expires FROM item WHERE id = ?",
		&w.dropItem:    "DELETE FROM item WHERE id = ?",
		&w.expired:     "SELECT id FROM item WHERE expires <= ? ORDER BY expires LIMIT ?",
		&w.getKey:      "SELECT first, last, content FROM key WHERE name = ?",
		&w.putKey:      "INSERT INTO key (first, last, name, content) VALUES (?, ?, ?, ?)",
		&w.dropKey:     "DELETE FROM key WHERE first = ?",
		&w.dropOldKeys: "DELETE FROM key WHERE first IN (SELECT first FROM key ORDER BY first LIMIT ?)",
		&w.oldKey:      "SELECT count(*) FROM (SELECT first FROM key WHERE first < ? ORDER BY first LIMIT ?)",
		&w.putMark:     "INSERT INTO mark (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
		&w.getSource:   "SELECT at FROM source WHERE name = ?",
		&w.putSource:   "INSERT INTO source (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at",
		&w.pages:       "PRAGMA page_count",
		&w.freePages:   "PRAGMA freelist_count",
		&w.vacuum:      fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages),
		&w.walSize:     database.WALSize,
		&w.walMove:     database.MoveWAL,
		&w.walCut:      database.TruncateWAL,
	})
	if err != nil {
		return err
	}
	w.upkeep.over = make(map[*registry.Feed]bool)
	w.pageSize, err = database.Pragma(w.conn, "page_size")
	return err
}

// saveFeed writes a feed's row.
func (w *writer) saveFeed(f *registry.Feed, s *registry.State) error {
	u := w.setFeed
	u.BindInt64(1, f.No)
	u.BindInt64(2, int64(s.Items))
	u.BindInt64(3, s.Bytes)
	u.BindInt64(4, int64(s.Oldest))
	u.BindInt64(5, int64(s.Newest))
	u.BindInt64(6, int64(s.Lost))
	u.BindText(7, string(s.Reason))
	if s.Own == nil {
		u.BindNull(8)
	} else {
		u.BindText(8, encodeRetention(*s.Own))
	}
	return database.Run(u)
}
