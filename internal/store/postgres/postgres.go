// Package postgres is the durable store of N equal replicas.
//
// A change and its audit event commit together before a method returns; replicas that decide at the same time are
// ordered by the rows that they lock; and all times are the database's. Every call is bounded. A call on a connection
// that the server has dropped is repeated once, if that can't do anything twice. Errors other than the documented ones
// mean that the database is unavailable; no error contains SQL text, the URL or a password. The package creates no
// tables (see package db) and logs nothing.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mintmark-auth/mintmark/internal/dial"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

var (
	// ErrUnavailable is the error of [Open] when the database doesn't answer.
	ErrUnavailable = errors.New("database unavailable")
	// ErrReadOnly says that the database was reached at a server that takes no writes. A primary that was demoted
	// doesn't see what is revoked at its successor, so what it says of a session, a key or a revocation doesn't count.
	ErrReadOnly = errors.New("the database takes no writes: its server is a standby, or no longer the primary")
)

const (
	openTimeout  = 5 * time.Second
	oldestServer = 15 // the oldest major version that the tests run on
)

// Config says where the database is.
type Config struct {
	URL       string          // one of the forms that storeurl.ParsePostgres lists
	DirectURL string          // of the server itself, where the other leads to a pooler; may be empty
	Tracer    pgx.QueryTracer // may be nil
}

// Store implements the durable stores on Postgres.
type Store struct {
	pool     *pgxpool.Pool
	draw     func(highest int64) []int64 // session.DrawStatusIndexes, but in tests
	renewed  atomic.Uint64               // how often all connections were given up
	answered atomic.Pointer[time.Time]   // when the server last answered a call; nil: not yet
	pooled   atomic.Bool                 // a pooler stands before the server
	trouble  atomic.Pointer[error]       // of the last reading of revocations; nil before it
	notices  *notices
}

// Open connects to the database. It fails when none answers within 5 s. Close it after use. ErrUnavailable, dial.ErrOldServer, ErrPooler.
func Open(ctx context.Context, config Config) (*Store, error) {
	url, err := storeurl.ParsePostgres(config.URL)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	settings, err := poolConfig(url)
	if err != nil {
		return nil, err
	}
	settings.ConnConfig.Tracer = config.Tracer
	s := &Store{draw: session.DrawStatusIndexes}
	s.overLines(settings)
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if s.pool, err = pgxpool.NewWithConfig(ctx, settings); err != nil {
		return nil, errors.New("open database: its URL holds settings that don't go together")
	}
	switch err := s.settle(ctx, url); {
	case errors.Is(err, ErrPooler), errors.Is(err, dial.ErrOldServer):
		s.pool.Close()
		return nil, err
	case err != nil:
		s.pool.Close()
		return nil, unavailable(settings.ConnConfig, err)
	}
	if s.notices, err = s.listenAt(config.DirectURL, settings.ConnConfig); err != nil {
		s.pool.Close()
		return nil, err
	}
	return s, nil
}

// unavailable puts a connection error on one line. Where TLS is optional, pgx
// joins what each way of connecting said; the last is the plainest.
func unavailable(config *pgx.ConnConfig, err error) error {
	mend := "is it running, and are address and password right?"
	if isReadOnly(err) {
		mend = "name every server in the URL, as in postgres://one,two/database, and mintmark finds the primary"
	}
	if strings.Contains(err.Error(), "unsupported startup parameter") {
		mend = "a pooler refuses this parameter of the URL: set it in the database (ALTER ROLE … SET …), or list it in the pooler's ignore_startup_parameters"
	}
	if refused, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = refused.Unwrap()
	}
	return fmt.Errorf("%w: connect to Postgres at %s as %s: %w; %s",
		ErrUnavailable, config.Host, config.User, lastTry{err}, mend)
}

// lastTry says what the last of several ways to connect said.
type lastTry struct{ tries error }

func (l lastTry) Error() string {
	lines := strings.Split(l.tries.Error(), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

func (l lastTry) Unwrap() error { return l.tries }

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

// Now returns the database's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	now, err := one(ctx, s, pgx.ErrNoRows, pgx.RowTo[time.Time], `SELECT clock_timestamp()`)
	if err != nil {
		return time.Time{}, fmt.Errorf("read clock: %w", err)
	}
	return now.UTC(), nil
}

// Trouble tells why this replica can't change anything, as of the last reading of revocations, which is seconds old:
// ErrReadOnly, or ErrUnavailable; nil if it can.
func (s *Store) Trouble() error {
	if last := s.trouble.Load(); last != nil {
		return *last
	}
	return nil
}

// note keeps what a reading says of the database.
func (s *Store) note(err error) {
	var trouble error
	switch {
	case errors.Is(err, context.Canceled):
		return
	case isReadOnly(err):
		trouble = ErrReadOnly
	case err != nil:
		trouble = ErrUnavailable
	}
	s.trouble.Store(&trouble)
}
