// Package postgres is the durable store of N equal replicas.
//
// A change and its audit event commit together before a method returns; replicas that decide at the same time are
// ordered by the rows that they lock; and all times are the database's. Every call is bounded. A call on a connection
// that the server has dropped is repeated once, if that can't do anything twice. Errors other than the documented ones
// mean that the database is unavailable; no error contains SQL text, the URL or a password. The package creates no
// tables (see package db) and logs nothing.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

// ErrUnavailable is the error of [Open] when the database doesn't answer.
var ErrUnavailable = errors.New("database unavailable")

const (
	callTimeout    = 5 * time.Second  // of a call whose context has no deadline
	bulkTimeout    = 60 * time.Second // the same, where a change may touch very many rows
	openTimeout    = 5 * time.Second
	connectTimeout = 3 * time.Second // under callTimeout, so that a caller sees why
	pingTimeout    = time.Second

	// A connection unused for longer is pinged before use. After one was found
	// broken, all are for a while: a restarted server has dropped every one.
	idleBeforePing = time.Second
	suspectFor     = 10 * time.Second

	healthCheckPeriod = 5 * time.Second
)

// Config says where the database is.
type Config struct {
	URL    string          // one of the forms that storeurl.ParsePostgres lists
	Tracer pgx.QueryTracer // may be nil
}

// Store implements the durable stores on Postgres.
type Store struct {
	pool    *pgxpool.Pool
	draw    func(highest int64) []int64 // session.DrawStatusIndexes, but in tests
	suspect atomic.Int64                // until then (Unix nanoseconds) every connection is pinged before use
	notices *notices
}

// Open connects to the database. It fails when none answers within 5 s. Close it after use.
func Open(ctx context.Context, config Config) (*Store, error) {
	url, err := storeurl.ParsePostgres(config.URL)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	settings, err := poolConfig(url)
	if err != nil {
		return nil, err
	}
	s := &Store{draw: session.DrawStatusIndexes}
	settings.ConnConfig.Tracer = config.Tracer
	settings.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool {
		return p.IdleDuration > idleBeforePing || time.Now().UnixNano() < s.suspect.Load()
	}

	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if s.pool, err = pgxpool.NewWithConfig(ctx, settings); err != nil {
		return nil, errors.New("open database: its URL holds settings that don't go together")
	}
	if err := s.pool.Ping(ctx); err != nil {
		s.pool.Close()
		return nil, unavailable(settings.ConnConfig, err)
	}
	s.notices = newNotices(settings.ConnConfig, keysChannel, clientsChannel)
	return s, nil
}

// poolConfig gives what pgx opens a pool by.
func poolConfig(url storeurl.Postgres) (*pgxpool.Config, error) {
	settings, err := pgxpool.ParseConfig(url.KeywordValues().Reveal())
	if err != nil { // the error would quote parts of the URL
		return nil, errors.New("open database: a file that its URL names (sslcert, sslkey, sslrootcert, service) or a PG… variable of the environment cannot be used")
	}
	settings.ConnConfig.ConnectTimeout = cmp.Or(settings.ConnConfig.ConnectTimeout, connectTimeout)
	pool := url.Pool
	settings.MaxConns = cmp.Or(pool.MaxConns, settings.MaxConns)
	settings.MinConns, settings.MinIdleConns = pool.MinConns, pool.MinIdleConns
	settings.MaxConnLifetime = cmp.Or(pool.MaxConnLifetime, settings.MaxConnLifetime)
	settings.MaxConnLifetimeJitter = pool.MaxConnLifetimeJitter
	settings.MaxConnIdleTime = cmp.Or(pool.MaxConnIdleTime, settings.MaxConnIdleTime)
	settings.HealthCheckPeriod = cmp.Or(pool.HealthCheckPeriod, healthCheckPeriod)
	settings.PingTimeout = cmp.Or(pool.PingTimeout, pingTimeout)
	return settings, nil
}

// unavailable puts a connection error on one line. Where TLS is optional, pgx
// joins what each way of connecting said; the last is the plainest.
func unavailable(config *pgx.ConnConfig, err error) error {
	if refused, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = refused.Unwrap()
	}
	tries := strings.Split(err.Error(), "\n")
	return fmt.Errorf("%w: connect to Postgres at %s as %s: %s; is it running, and are address and password right?",
		ErrUnavailable, config.Host, config.User, strings.TrimSpace(tries[len(tries)-1]))
}

// Close closes all connections, after the calls under way. Calls that await a notice must have
// been cancelled before.
func (s *Store) Close() error {
	s.notices.close()
	s.pool.Close()
	return nil
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	err := s.again(ctx, callTimeout, s.pool.Ping)
	if err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// again runs a call within the time allowed, and once more when the connection
// turned out to be broken. Only for calls that may be repeated.
func (s *Store) again(ctx context.Context, allowed time.Duration, call func(context.Context) error) error {
	ctx, cancel := bounded(ctx, allowed)
	defer cancel()
	err := call(ctx)
	if err == nil || ctx.Err() != nil || !broken(err) {
		return err
	}
	s.suspect.Store(time.Now().Add(suspectFor).UnixNano())
	return call(ctx)
}

// broken reports whether an error came from the connection and not from the database.
func broken(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return false // there is none to be had
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(refused.Code, "57P") || strings.HasPrefix(refused.Code, "08") // shutting down; connection lost
	}
	if _, ok := errors.AsType[pgx.ScanArgError](err); ok {
		return false // the row came, and is not as we know it
	}
	return !errors.Is(err, pgx.ErrNoRows)
}

// bounded gives a context an end if it has none.
func bounded(ctx context.Context, allowed time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, allowed)
}

// transact runs work in a transaction that is committed when it returns nil. Only its begin is
// repeated on a broken connection: later it is unknown what the server has done.
func (s *Store) transact(ctx context.Context, allowed time.Duration, work func(context.Context, pgx.Tx) error) error {
	ctx, cancel := bounded(ctx, allowed)
	defer cancel()
	var tx pgx.Tx
	begin := func(ctx context.Context) (err error) {
		tx, err = s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}) // what waits for a lock reads what the lock was for
		return err
	}
	if err := s.again(ctx, allowed, begin); err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // a no-op after Commit; else the connection goes
	if err := work(ctx, tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// one reads a single row; missing is the error if there is none.
func one[T any](ctx context.Context, s *Store, missing error, scan pgx.RowToFunc[T], query string, args ...any) (T, error) {
	var found T
	err := s.again(ctx, callTimeout, func(ctx context.Context) error {
		rows, _ := s.pool.Query(ctx, query, args...) // its error comes with the rows
		var err error
		found, err = pgx.CollectExactlyOneRow(rows, scan)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return found, missing
	}
	return found, err
}

// Now returns the database's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	now, err := one(ctx, s, pgx.ErrNoRows, pgx.RowTo[time.Time], `SELECT clock_timestamp()`)
	if err != nil {
		return time.Time{}, fmt.Errorf("read clock: %w", err)
	}
	return now.UTC(), nil
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
