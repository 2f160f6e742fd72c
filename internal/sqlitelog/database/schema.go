package database

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"feedd/internal/disk"
)

const (
	// FileName is the name of the database in the store's directory.
	FileName      = "feedd.db"
	applicationID = 0x66656564 // "feed" in ASCII, which file(1) shows
	schemaVersion = 2          // the number of upgrades, and one
)

// Names of rows of the table mark: see the package's documentation.
const (
	MarkLast      = "last"
	MarkForgotten = "forgotten"
	MarkProbe     = "probe"
)

// schema makes the tables of version 1; upgrades make each version of the one
// before it. A new database goes the same way as an old one.
const schema = `
CREATE TABLE opening (
	time INTEGER PRIMARY KEY,
	last INTEGER NOT NULL
);
CREATE TABLE feed (
	no        INTEGER PRIMARY KEY,
	name      TEXT NOT NULL UNIQUE,
	items     INTEGER NOT NULL,
	bytes     INTEGER NOT NULL,
	oldest    INTEGER NOT NULL,
	newest    INTEGER NOT NULL,
	lost      INTEGER NOT NULL,
	reason    TEXT NOT NULL,
	retention TEXT
);
CREATE TABLE item (
	id      INTEGER PRIMARY KEY,
	feed    INTEGER NOT NULL,
	json    INTEGER NOT NULL,
	event   TEXT,
	expires INTEGER,
	data    TEXT NOT NULL
);
CREATE INDEX item_feed ON item (feed, id);
CREATE INDEX item_expires ON item (expires) WHERE expires IS NOT NULL;
CREATE TABLE key (
	first   INTEGER PRIMARY KEY,
	last    INTEGER NOT NULL,
	name    BLOB NOT NULL UNIQUE,
	content BLOB NOT NULL
);
CREATE TABLE mark (
	name  TEXT PRIMARY KEY,
	value INTEGER NOT NULL
) WITHOUT ROWID;
`

var upgrades = [schemaVersion - 1]string{
	// 2: how far upstreams were taken over.
	`CREATE TABLE source (
		name TEXT PRIMARY KEY,
		at   TEXT NOT NULL
	) WITHOUT ROWID`,
}

// upgrade brings a database of an older version to this one, all or nothing.
func upgrade(conn *sqlite.Conn, version int64) error {
	script := strings.Join(upgrades[version-1:], ";\n")
	script += fmt.Sprintf(";\nPRAGMA user_version = %d;", schemaVersion)
	return sqlitex.ExecuteScript(conn, script, nil) // in one transaction
}

// Create makes a new database beside its place and moves it there when it is
// complete, so that a file in that place is never a half-made one: if it is no
// database of a store, it is damaged, and opening it is an error.
func Create(path string) error {
	tmp := path + ".new"
	for _, p := range []string{tmp, tmp + "-journal", tmp + "-wal", tmp + "-shm"} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	conn, err := sqlite.OpenConn(tmp, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return err
	}
	for _, q := range []string{
		// This must come before the first table, else it takes a VACUUM of the whole file.
		"PRAGMA auto_vacuum = INCREMENTAL",
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		"PRAGMA user_version = 1",
	} {
		if err := sqlitex.ExecuteTransient(conn, q, nil); err != nil {
			conn.Close()
			return err
		}
	}
	if err := sqlitex.ExecuteScript(conn, schema, nil); err != nil {
		conn.Close()
		return err
	}
	if err := upgrade(conn, 1); err != nil {
		conn.Close()
		return err
	}
	if err := conn.Close(); err != nil { // moves the WAL in and removes it
		return err
	}
	// feedd decides what may be read, not the accounts of this machine. SQLite
	// gives the files beside it the same mode.
	if err := os.Chmod(tmp, 0o600); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return disk.SyncDir(filepath.Dir(path))
}
