package database

import (
	"path/filepath"
	"strings"

	"zombiezen.com/go/sqlite"
)

// Statements for [Checkpoint].
const (
	WALSize     = "PRAGMA wal_checkpoint(NOOP)"     // moves nothing
	MoveWAL     = "PRAGMA wal_checkpoint(PASSIVE)"  // moves what no reader needs
	TruncateWAL = "PRAGMA wal_checkpoint(TRUNCATE)" // moves all and cuts the file
)

// Checkpoint runs a prepared wal_checkpoint pragma. It returns how many pages are
// in the WAL, and how many of them were moved into the database.
func Checkpoint(stmt *sqlite.Stmt) (pages, moved int64, err error) {
	row, err := stmt.Step()
	if err == nil && row {
		pages, moved = stmt.ColumnInt64(1), stmt.ColumnInt64(2)
	}
	return pages, moved, Reset(stmt, err)
}

// WAL returns where SQLite keeps the WAL of a database: beside the file that a
// link leads to.
func WAL(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path + "-wal"
}

// WALIndex returns where the index of a WAL is.
func WALIndex(wal string) string { return strings.TrimSuffix(wal, "-wal") + "-shm" }
