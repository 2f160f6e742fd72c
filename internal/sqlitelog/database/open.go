package database

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"feedd/internal/disk"
)

// BusyTimeout is how long a connection waits for a lock before it gives up. Only
// another program, such as the sqlite3 tool, can hold one: a statement typed by
// hand is done in that time, and a publisher still waits for the answer.
const BusyTimeout = 5 * time.Second

// The caches of pages that a connection keeps, as SQLite wants them: negative, in
// KiB. The writer's holds the inner nodes of the indices of a large store; a
// reader goes through a page of items once, so half of that is enough.
var (
	writerPragmas = []string{"PRAGMA cache_size = -16000"}
	readerPragmas = []string{"PRAGMA query_only = ON", "PRAGMA cache_size = -8000"}
)

// OpenWriter opens an existing database for reading and writing, and upgrades it
// if its version is older. It is an error if it is no database of a store, or of
// a newer version.
func OpenWriter(path string) (*sqlite.Conn, error) {
	conn, err := connect(path, writerPragmas)
	if err != nil {
		return nil, err
	}
	version, err := verify(conn)
	if err == nil && version < schemaVersion {
		err = upgrade(conn, version)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// OpenReader opens an existing database that this process has open for writing
// too.
func OpenReader(path string) (*sqlite.Conn, error) { return connect(path, readerPragmas) }

// OpenHeld opens a database for reading if nothing can be written beside it, not
// even the index of the WAL, and if no connection of this process writes to it.
// The caller must hold the data directory, because there are no locks.
func OpenHeld(path string) (*sqlite.Conn, error) {
	uri := "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	// Without a WAL, SQLite would make one. With "immutable" it would not look
	// into the one that is there. Without locks, and for one connection alone,
	// it keeps the index in memory.
	if disk.FileSize(WAL(path)) > 0 {
		uri += "?vfs=unix-none"
	} else {
		uri += "?immutable=1"
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	conn, err := sqlite.OpenConn(uri, sqlite.OpenReadOnly, sqlite.OpenURI)
	if err != nil {
		return nil, err
	}
	// This must come first, because the other pragmas look into the database.
	if err := sqlitex.ExecuteTransient(conn, "PRAGMA locking_mode = EXCLUSIVE", nil); err != nil {
		conn.Close()
		return nil, err
	}
	return setUp(conn, readerPragmas)
}

func connect(path string, pragmas []string) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, err
	}
	return setUp(conn, pragmas)
}

// setUp gives a connection its pragmas. It closes the connection on an error.
func setUp(conn *sqlite.Conn, pragmas []string) (*sqlite.Conn, error) {
	conn.SetInterrupt(nil)
	conn.SetBusyTimeout(BusyTimeout)
	for _, q := range append([]string{
		"PRAGMA synchronous = FULL",
		"PRAGMA temp_store = MEMORY",
		"PRAGMA wal_autocheckpoint = 0", // the committer moves the WAL
		"PRAGMA cell_size_check = ON",
	}, pragmas...) {
		if err := sqlitex.ExecuteTransient(conn, q, nil); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// Verify returns an error if the database is not a store's, or of a newer version.
func Verify(conn *sqlite.Conn) error {
	_, err := verify(conn)
	return err
}

// verify is Verify; it also returns the version.
func verify(conn *sqlite.Conn) (version int64, err error) {
	id, err := Pragma(conn, "application_id")
	if err != nil {
		return 0, err
	}
	version, err = Pragma(conn, "user_version")
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
