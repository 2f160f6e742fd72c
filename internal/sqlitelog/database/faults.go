package database

import (
	"fmt"

	"zombiezen.com/go/sqlite"

	"feedd/internal/disk"
)

// Explain adds to an error of a damaged database what the operator can do.
func Explain(err error) error {
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultNotADB:
		return fmt.Errorf("the file is damaged or no SQLite database (%w); restore it from a backup, or move it away to start empty", err)
	case sqlite.ResultCorrupt:
		return fmt.Errorf("the database is damaged (%w); restore it from a backup, or try sqlite3's .recover", err)
	}
	return err
}

// IsFull reports whether an error means that the disk is full. SQLite says so only
// of ENOSPC in a write. Of a quota, and of the WAL's index, it does not say why
// the write failed: then try is called, which looks whether the disk has room.
func IsFull(err error, try func() error) bool {
	switch code := sqlite.ErrCode(err); code {
	case sqlite.ResultIOErrWrite, sqlite.ResultIOErrSHMSize, sqlite.ResultIOErrSHMOpen, sqlite.ResultIOErrSHMMap:
		return disk.IsFull(try())
	default:
		return code.ToPrimary() == sqlite.ResultFull || disk.IsFull(err)
	}
}

// IsForbidden reports whether an error of opening a database means that it can be
// read at most: no permission, or a disk that is mounted read-only.
func IsForbidden(err error) bool {
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultReadOnly, sqlite.ResultCantOpen, sqlite.ResultPerm:
		return true
	}
	return disk.IsForbidden(err)
}

// IsBeforeEnd reports whether an error of a COMMIT came before its end was
// written, so that the commit is not there.
func IsBeforeEnd(err error) bool {
	code := sqlite.ErrCode(err)
	return code.ToPrimary() == sqlite.ResultFull || code == sqlite.ResultIOErrWrite
}
