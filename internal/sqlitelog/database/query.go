package database

import (
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Prepare prepares statements, and puts each where it is wanted. The connection
// owns them.
func Prepare(conn *sqlite.Conn, wanted map[**sqlite.Stmt]string) error {
	for to, sql := range wanted {
		stmt, err := conn.Prepare(sql)
		if err != nil {
			return err
		}
		*to = stmt
	}
	return nil
}

// Run runs a statement that yields no rows.
func Run(stmt *sqlite.Stmt) error {
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

// Number runs a statement that yields at most one number; no row is 0.
func Number(stmt *sqlite.Stmt) (int64, error) {
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

// Reset ends a statement that has more rows or failed with err, and returns the
// first error.
func Reset(stmt *sqlite.Stmt, err error) error {
	if e := stmt.Reset(); err == nil {
		err = e
	}
	return err
}

// Query runs a statement once and calls each for every row.
func Query(conn *sqlite.Conn, sql string, each func(*sqlite.Stmt) error) error {
	return sqlitex.ExecuteTransient(conn, sql, &sqlitex.ExecOptions{ResultFunc: each})
}

// QueryNumber runs a statement once that yields one number.
func QueryNumber(conn *sqlite.Conn, sql string) (n int64, err error) {
	err = Query(conn, sql, func(s *sqlite.Stmt) error {
		n = s.ColumnInt64(0)
		return nil
	})
	return n, err
}

// Exec runs a statement once that yields no rows, with arguments.
func Exec(conn *sqlite.Conn, sql string, args ...any) error {
	return sqlitex.ExecuteTransient(conn, sql, &sqlitex.ExecOptions{Args: args})
}

// Pragma returns a pragma's number.
func Pragma(conn *sqlite.Conn, name string) (int64, error) {
	stmt, err := conn.Prepare("PRAGMA " + name)
	if err != nil {
		return 0, err
	}
	return Number(stmt)
}
