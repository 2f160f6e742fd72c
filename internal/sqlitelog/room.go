package sqlitelog

import (
	"errors"

	"feedd/internal/sqlitelog/database"
	"feedd/internal/stream"
)

// scantRows is how many rows are deleted at a time on a full disk without a
// reserve, because what such a commit writes must have room in the WAL: some
// pages of 4 KiB for each row.
const scantRows = 20

// rows bounds how many rows are deleted in one commit.
func (l *Log) rows(n int) int {
	if l.room.Scant() {
		return min(n, scantRows)
	}
	return n
}

// makeRoom helps an operation that makes room and found none itself: the first
// time it moves the WAL, so that it starts again at its beginning, the second
// time it gives the reserve up for that. It reports whether it is worth another
// try.
func (l *Log) makeRoom(try int) bool {
	if try > 0 && !l.room.GiveReserve() {
		return false
	}
	l.moveWALNow()
	return true
}

// full reports whether an error of SQLite's means that the disk is full.
func (l *Log) full(err error) bool { return database.IsFull(err, l.room.Try) }

// unwritable reports whether an error of opening the store means that it can be
// read at most: no room, no permission, a disk that is mounted read-only.
func (l *Log) unwritable(err error) bool {
	return errors.Is(err, stream.ErrNoSpace) || l.full(err) || database.IsForbidden(err)
}
