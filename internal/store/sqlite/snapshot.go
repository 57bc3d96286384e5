package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrFull says that a disk is full.
var ErrFull = errors.New("the disk is full")

// Snapshot writes what a database holds at this moment, its log included, into an empty file. Writers go on meanwhile.
// ErrFull.
func Snapshot(ctx context.Context, database, into string) error {
	handle, err := openFile(database)
	if err != nil {
		return err
	}
	_, err = handle.ExecContext(ctx, `VACUUM INTO ?`, into)
	if failed, ok := errors.AsType[*sqlite.Error](err); ok && failed.Code()&0xff == sqlite3.SQLITE_FULL {
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	if err != nil {
		err = fmt.Errorf("copy database %s: %w", database, err)
	}
	return errors.Join(err, handle.Close())
}

// Inspect reads a whole database and says what is damaged in it, or "".
func Inspect(ctx context.Context, database string) (damage string, err error) {
	handle, err := openFile(database)
	if err != nil {
		return "", err
	}
	err = handle.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&damage)
	if damage == "ok" {
		damage = ""
	}
	if failed, ok := errors.AsType[*sqlite.Error](err); ok && ctx.Err() == nil {
		switch failed.Code() & 0xff {
		case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
			damage, err = failed.Error(), nil
		}
	}
	return damage, errors.Join(err, handle.Close())
}

// openFile opens a database that there is, on one connection.
func openFile(path string) (*sql.DB, error) {
	handle, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=rw&_pragma=busy_timeout(5000)&_pragma=trusted_schema(0)")
	if err != nil {
		return nil, err
	}
	handle.SetMaxOpenConns(1)
	return handle, nil
}
