package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

// turnTimeout is how long an operation on Postgres waits for one that runs elsewhere.
const turnTimeout = time.Minute

// vanishedAfter is when the server gives up a machine that is silent: 10 s, and three times 5 s.
const vanishedAfter = 25 * time.Second

// tableTimeout is how long a migration on Postgres waits for a table. Everybody who
// comes later waits behind it, so a migration that can't have its tables gives up.
const tableTimeout = 5 * time.Second

// Postgres names the Postgres database at a URL of a form that storeurl.ParsePostgres
// lists; what it says about a pool does not concern migrations. Where a pooler stands in front
// it must be the URL of the server itself: the lock that keeps two migrations
// apart belongs to one connection.
func Postgres(databaseURL string) (*Database, error) {
	url, err := storeurl.ParsePostgres(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	config, err := pgx.ParseConfig(url.KeywordValues().Reveal())
	if err != nil { // the error would quote parts of the URL
		return nil, errors.New("open database: a file that its URL names (sslcert, sslkey, sslrootcert, service) or a PG… variable of the environment cannot be used")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	d := &Database{Tell: func(string) {}, dialect: "postgres", place: "Postgres at " + config.Host, turn: turnTimeout}
	d.open = func(a access) (*sql.DB, error) {
		if a == reading {
			calm := config.Copy()
			calm.DefaultQueryExecMode = pgx.QueryExecModeExec // prepares nothing, which a pooler would forget
			return stdlib.OpenDB(*calm), nil
		}
		return stdlib.OpenDB(*config, stdlib.OptionAfterConnect(d.ready)), nil
	}
	d.driver = func(pool *sql.DB) (database.Driver, error) {
		driver, err := migratepgx.WithInstance(pool, &migratepgx.Config{})
		if err != nil {
			return nil, d.locked(plain(err))
		}
		return patient{driver, d}, nil
	}
	return d, nil
}

// ready has a connection of its own to the server for changing the schema.
func (d *Database) ready(ctx context.Context, conn *pgx.Conn) error {
	var backend uint32
	if err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`, pgx.QueryExecModeSimpleProtocol).Scan(&backend); err != nil {
		return err
	}
	if backend != conn.PgConn().PID() { // a pooler gives every client a number of its own
		return ErrPooler
	}
	return d.boundWaits(ctx, conn)
}

// boundWaits bounds the wait for the lock that keeps two migrations apart, as the library's
// own limit does not hold everywhere it waits. It also has the server find out, sooner than that,
// that a machine has vanished: the lock is held until then, though nobody works on.
func (d *Database) boundWaits(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, fmt.Sprintf(`SET lock_timeout = %d; SET tcp_user_timeout = %d;
		SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3`,
		d.turn.Milliseconds(), vanishedAfter.Milliseconds()))
	return err
}

// locked returns the error of a failure to get the lock between migrations.
func (d *Database) locked(err error) error {
	const lockNotAvailable = "55P03"
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == lockNotAvailable {
		return fmt.Errorf("%w: another migration has been running for more than %v; run this again when that has ended", ErrUnavailable, d.turn)
	}
	return err
}

// patient is the driver for Postgres with an end to its waits.
type patient struct {
	database.Driver
	database *Database
}

// Lock waits for its turn.
func (p patient) Lock() error {
	return p.database.locked(plain(p.Driver.Lock()))
}

// Run applies a migration: all of its statements or none, as they are sent at once,
// and none that waits for a table for long.
func (p patient) Run(migration io.Reader) error {
	limit := fmt.Sprintf(`SET LOCAL lock_timeout = %d; `, tableTimeout.Milliseconds()) // ends no line, so that lines keep their numbers
	return p.Driver.Run(io.MultiReader(strings.NewReader(limit), migration))
}
