// Package sqlite keeps all data of the embedded authority in one file: the durable tables, and in the session's row the
// rotation state that Redis keeps in production, so that a restart logs nobody out.
//
// A confirmed change survives a power cut: users, sessions, revocations, keys and events are flushed to disk before a
// method returns. A rotation is not, because a lost one heals. There is one writer at a time: the writers of this
// process queue here, where they respect their context, and only operators' commands in other processes wait for
// SQLite's own lock. The package creates no tables (see package db) and logs nothing.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/mintmark-auth/mintmark/internal/private"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// callTimeout bounds a call whose context has no deadline.
const callTimeout = 5 * time.Second

// Config says where the database is.
type Config struct {
	Path string           // of the file; migrated already
	Now  func() time.Time // the database's clock; time.Now if nil

	driver string // "sqlite" if empty; tests watch the statements through one of theirs
}

// Store implements the durable stores and session.States on one SQLite file.
type Store struct {
	clock func() time.Time
	draw  func(highest int64) []int64 // session.DrawStatusIndexes, but in tests

	writer   chan struct{} // contains one token; its holder may write
	durable  *sql.DB       // one connection, flushed at every commit; under writer
	rotation *sql.DB       // one connection, not flushed; under writer
	reader   *sql.DB       // as many connections as reads at once

	standing, state, setState *sql.Stmt // the hot path
}

// Open opens the database. Close it after use.
func Open(ctx context.Context, config Config) (*Store, error) {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.driver == "" {
		config.driver = "sqlite"
	}
	if err := guard(config.Path); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s := &Store{clock: config.Now, draw: session.DrawStatusIndexes, writer: make(chan struct{}, 1)}
	s.writer <- struct{}{}
	if err := s.open(ctx, config); err != nil {
		return nil, fmt.Errorf("open database %s: %w", config.Path, errors.Join(err, s.Close()))
	}
	return s, nil
}

// guard keeps the database from other users, and the log beside it, which SQLite would make with the mode of the
// database on Unix, but on Windows with the access that the folder gives. It refuses files of others, because SQLite
// would follow a link.
func guard(path string) error {
	if err := private.Guard(path); err != nil {
		return err
	}
	if err := private.CheckBeside(path, "-wal", "-shm", "-journal"); err != nil {
		return err
	}
	if err := private.Make(path + "-wal"); err != nil {
		return err
	}
	return private.Guard(path + "-wal")
}

func (s *Store) open(ctx context.Context, config Config) (err error) {
	const write = "&_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)"
	if s.durable, err = connect(config, write+"&_pragma=synchronous(FULL)", 1); err != nil {
		return err
	}
	if s.rotation, err = connect(config, write+"&_pragma=synchronous(NORMAL)", 1); err != nil {
		return err
	}
	if s.reader, err = connect(config, "&_pragma=query_only(1)", max(4, runtime.NumCPU())); err != nil {
		return err
	}
	if err := s.durable.PingContext(ctx); err != nil { // turns on the log before the first read
		return err
	}
	for _, p := range []struct {
		stmt **sql.Stmt
		on   *sql.DB
		sql  string
	}{
		{&s.standing, s.reader, selectStanding},
		{&s.state, s.rotation, selectState},
		{&s.setState, s.rotation, updateState},
	} {
		if *p.stmt, err = p.on.PrepareContext(ctx, p.sql); err != nil { //nolint:sqlclosecheck // Close closes them
			return fmt.Errorf("%w; has `mintmark migrate up` been run?", err)
		}
	}
	return nil
}

func connect(config Config, options string, connections int) (*sql.DB, error) {
	handle, err := sql.Open(config.driver, "file:"+(&url.URL{Path: config.Path}).EscapedPath()+"?_pragma=busy_timeout(5000)"+options)
	if err != nil {
		return nil, err
	}
	handle.SetMaxOpenConns(connections)
	handle.SetMaxIdleConns(connections)
	return handle, nil
}

// Close closes the database; every statement goes with its handle.
func (s *Store) Close() error {
	var failed error
	for _, handle := range []*sql.DB{s.reader, s.rotation, s.durable} { // the last one tidies the log up
		if handle != nil {
			failed = errors.Join(failed, handle.Close())
		}
	}
	return failed
}

// now is the database's clock in the precision that it stores.
func (s *Store) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

// Ping reports whether the database can be read.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.reader.QueryRowContext(ctx, `SELECT 1 FROM schema_compat LIMIT 1`).Scan(&one); err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// Now returns the database's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) { return s.now(), ctx.Err() }

// tx is a write transaction and the database's clock in it.
type tx struct {
	*sql.Tx
	now time.Time
}

// write runs work in a transaction that is on disk when write returns nil.
func (s *Store) write(ctx context.Context, work func(context.Context, tx) error) error {
	return s.transact(ctx, s.durable, work)
}

// rotate runs work in a transaction that a power cut may undo.
func (s *Store) rotate(ctx context.Context, work func(context.Context, tx) error) error {
	return s.transact(ctx, s.rotation, work)
}

func (s *Store) transact(ctx context.Context, on *sql.DB, work func(context.Context, tx) error) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	select {
	case <-s.writer:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.writer <- struct{}{} }()

	begun, err := on.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer begun.Rollback() //nolint:errcheck // a no-op after Commit
	if err := work(ctx, tx{Tx: begun, now: s.now()}); err != nil {
		return err
	}
	return begun.Commit()
}

// bounded gives a context an end if it has none.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, callTimeout)
}

// untold awaits the hint that something was changed. A file can't send one, so it never comes.
func untold(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// changeOne runs an update that must meet a row.
func (t tx) changeOne(ctx context.Context, missing error, query string, args ...any) error {
	result, err := t.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		return missing
	}
	return err
}

// row is what a scan function reads from.
type row interface{ Scan(dest ...any) error }

// collect reads all rows of a query through a scan function.
func collect[T any](rows *sql.Rows, err error, scan func(row) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close() // rows.Err tells
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
