package postgres

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// How long a call may take, however long its caller would wait. A call that takes longer is given up, and so is its
// connection.
const (
	readTimeout = 2 * time.Second // of one that reads: a refresh does
	callTimeout = 5 * time.Second
	bulkTimeout = 60 * time.Second // of a change that may touch very many rows

	rollbackTimeout = time.Second
)

// readOnlyTransaction is the SQLSTATE of what a server that takes no writes refuses.
const readOnlyTransaction = "25006"

// writable is the column by which a server tells whether it takes writes, in the round trip of the reading itself.
const writable = `current_setting('transaction_read_only') = 'off'`

// again runs a call within the time allowed, and once more when the connection
// turned out to be of no use. Only for calls that may be repeated.
func (s *Store) again(ctx context.Context, allowed time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, allowed)
	defer cancel()
	seen, began := s.renewed.Load(), time.Now()
	err := call(ctx)
	if !s.condemns(err, began) {
		return err
	}
	s.renew(seen)
	if ctx.Err() != nil {
		return err
	}
	return call(ctx)
}

// transact runs work in a transaction that is committed when it returns nil. Only its begin is
// repeated on a broken connection: later it is unknown what the server has done.
func (s *Store) transact(ctx context.Context, allowed time.Duration, work func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, allowed)
	defer cancel()
	var tx pgx.Tx
	seen, began := s.renewed.Load(), time.Now()
	begin := func(ctx context.Context) (err error) {
		tx, err = s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}) // what waits for a lock reads what the lock was for
		return err
	}
	if err := s.again(ctx, allowed, begin); err != nil {
		return err
	}
	err := work(ctx, tx)
	if err == nil {
		err = tx.Commit(ctx)
	}
	gone := err != nil && lostInside(tx, err) // after the rollback the connection is another caller's
	if err != nil {
		s.rollBack(ctx, tx)
	}
	if s.condemns(err, began) && gone {
		s.renew(seen)
	}
	return err
}

// rollBack ends a transaction whose caller has its error already. If that fails, too, the connection goes.
func (s *Store) rollBack(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	_ = tx.Rollback(ctx)
}

// condemns reports whether a call that began then failed in a way that speaks against all connections. A call that
// took too long does not while the server answers others: it is slow then, and new connections would make it slower.
func (s *Store) condemns(err error, began time.Time) bool {
	if !lost(err) {
		if err == nil || !errors.Is(err, context.DeadlineExceeded) {
			now := time.Now()
			s.answered.Store(&now)
		}
		return false
	}
	answered := s.answered.Load()
	return !pgconn.Timeout(err) || answered == nil || answered.Before(began)
}

// renew has every later call find a new connection, unless that has been done since the caller looked. After a
// failover, or a cut of the network, all connections of the pool are like the first that failed.
func (s *Store) renew(seen uint64) {
	if s.renewed.CompareAndSwap(seen, seen+1) {
		s.pool.Reset()
		if s.notices != nil { // nil while the store is opened
			s.notices.leave()
		}
	}
}

// lost reports whether a call failed because its connection is broken or silent, or leads to a server that takes no
// writes.
func lost(err error) bool {
	if err == nil {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return false // there is none to be had
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return lostCode(refused.Code)
	}
	if _, ok := errors.AsType[pgx.ScanArgError](err); ok {
		return false // the row came, and is not as we know it
	}
	if errors.Is(err, context.DeadlineExceeded) && !pgconn.Timeout(err) {
		return false // it waited for a place in the pool, and reached no server
	}
	return !errors.Is(err, pgx.ErrNoRows) && !errors.Is(err, context.Canceled) // it is the caller who went
}

// lostInside is lost for work in a transaction, whose other errors are its own.
func lostInside(tx pgx.Tx, err error) bool {
	_, refused := errors.AsType[*pgconn.PgError](err)
	return (refused || tx.Conn().IsClosed()) && lost(err)
}

// lostCode reports whether a server that says so has no use for its connection: it is shutting down or was promoted
// over (57P), the connection was lost at a pooler (08), or it is read-only (25006).
func lostCode(sqlState string) bool {
	return strings.HasPrefix(sqlState, "57P") || strings.HasPrefix(sqlState, "08") || sqlState == readOnlyTransaction
}

// isReadOnly reports whether an error comes from a server that takes no writes.
func isReadOnly(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && refused.Code == readOnlyTransaction || errors.Is(err, ErrReadOnly) || errors.Is(err, pgconn.ErrReadOnlyConnection)
}

// one reads a single row; missing is the error if there is none.
func one[T any](ctx context.Context, s *Store, missing error, scan pgx.RowToFunc[T], query string, args ...any) (T, error) {
	found, err := oneWithin(ctx, s, readTimeout, scan, query, args...)
	if errors.Is(err, pgx.ErrNoRows) {
		return found, missing
	}
	return found, err
}

// oneWithin reads a single row within the time allowed.
func oneWithin[T any](ctx context.Context, s *Store, allowed time.Duration, scan pgx.RowToFunc[T], query string, args ...any) (T, error) {
	var found T
	err := s.again(ctx, allowed, func(ctx context.Context) error {
		rows, _ := s.pool.Query(ctx, query, args...) // its error comes with the rows
		var err error
		found, err = pgx.CollectExactlyOneRow(rows, scan)
		return err
	})
	return found, err
}

// all reads every row.
func all[T any](ctx context.Context, s *Store, scan pgx.RowToFunc[T], query string, args ...any) ([]T, error) {
	var found []T
	err := s.again(ctx, callTimeout, func(ctx context.Context) error {
		rows, _ := s.pool.Query(ctx, query, args...) // its error comes with the rows
		var err error
		found, err = pgx.CollectRows(rows, scan)
		return err
	})
	return found, err
}

// changeOne runs an update that must meet a row.
func changeOne(ctx context.Context, tx pgx.Tx, missing error, query string, args ...any) error {
	tag, err := tx.Exec(ctx, query, args...)
	if err == nil && tag.RowsAffected() == 0 {
		return missing
	}
	return err
}
