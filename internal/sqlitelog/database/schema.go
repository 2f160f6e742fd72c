package sqlitelog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

const (
	fileName      = "feedd.db"
	applicationID = 0x66656564 // "feed"
	schemaVersion = 2
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

// create makes a new database beside its place and moves it there when it is
// whole, so that a file in that place is never a half-made one: whatever is
// found there later and is no database of ours is damage, and an error.
func create(path string) error {
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
		// Must come before the first table, or it needs a whole VACUUM.
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
	// What may be read is decided by feedd, not by who can log in here. The
	// files beside it get the same mode from SQLite.
	if err := os.Chmod(tmp, 0o600); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// connect opens an existing database.
func connect(path string, pragmas ...string) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, err
	}
	return setUp(conn, pragmas...)
}

func setUp(conn *sqlite.Conn, pragmas ...string) (*sqlite.Conn, error) {
	conn.SetInterrupt(nil)
	conn.SetBusyTimeout(busyTimeout)
	for _, q := range append([]string{
		"PRAGMA synchronous = FULL",
		"PRAGMA temp_store = MEMORY",
		"PRAGMA wal_autocheckpoint = 0",
		"PRAGMA cell_size_check = ON",
	}, pragmas...) {
		if err := sqlitex.ExecuteTransient(conn, q, nil); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// verify makes sure that the database is one of ours, and of this version or an
// older one, and returns its version.
func verify(conn *sqlite.Conn) (version int64, err error) {
	id, err := pragma(conn, "application_id")
	if err != nil {
		return 0, err
	}
	version, err = pragma(conn, "user_version")
	if err != nil {
		return 0, err
	}
	if id != applicationID {
		return 0, errors.New("it is not a feedd database")
	}
	if version < 1 || version > schemaVersion {
		return 0, fmt.Errorf("it has schema version %d, this feedd knows versions up to %d", version, schemaVersion)
	}
	return version, nil
}

// pragma returns a pragma's number.
func pragma(conn *sqlite.Conn, name string) (int64, error) {
	stmt, err := conn.Prepare("PRAGMA " + name)
	if err != nil {
		return 0, err
	}
	return number(stmt)
}

// number runs a statement that yields at most one number; no row is 0.
func number(stmt *sqlite.Stmt) (int64, error) {
	row, err := stmt.Step()
	if err != nil {
		stmt.Reset()
		return 0, err
	}
	var n int64
	if row {
		n = stmt.ColumnInt64(0)
	}
	return n, stmt.Reset()
}

// run runs a statement that yields nothing.
func run(stmt *sqlite.Stmt) error {
	for {
		row, err := stmt.Step()
		if err != nil {
			stmt.Reset()
			return err
		}
		if !row {
			return stmt.Reset()
		}
	}
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
