package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	migratesqlite "github.com/golang-migrate/migrate/v4/database/sqlite"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/mintmark-auth/mintmark/internal/private"
)

// connectTimeout bounds how long a database may take to answer at all.
const connectTimeout = 5 * time.Second

// Database is a database whose schema is to be looked at or changed. It holds no
// connection: every operation opens one and closes it.
type Database struct {
	// Tell is told, in one line, of a migration that had not ended and that Up went on from.
	Tell func(line string)

	dialect string        // the folder of its migrations
	place   string        // for people: where it is
	turn    time.Duration // how long to wait for an operation that runs elsewhere
	open    func(access) (*sql.DB, error)
	driver  func(*sql.DB) (database.Driver, error)
}

// access says what an operation is going to do.
type access int

const (
	reading  access = iota // creates nothing
	changing               // may create the database file
)

// SQLite names the SQLite database in a file. A process that changes its schema holds the lock
// of the data directory: two concurrent migrations would leave it dirty.
func SQLite(file string) *Database {
	return &Database{
		Tell:    func(string) {},
		dialect: "sqlite",
		place:   file,
		open:    func(a access) (*sql.DB, error) { return openSQLite(file, a) },
		driver: func(pool *sql.DB) (database.Driver, error) {
			return migratesqlite.WithInstance(pool, &migratesqlite.Config{})
		},
	}
}

func openSQLite(file string, a access) (*sql.DB, error) {
	if a == changing {
		if err := private.Make(file); err != nil { // SQLite itself would make it readable by all
			return nil, err
		}
	}
	if err := private.Check(file); err != nil {
		return nil, err
	}
	if err := private.CheckBeside(file, "-wal", "-shm", "-journal"); err != nil { // SQLite would follow a link
		return nil, err
	}
	pragmas := "?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"
	pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+pragmas)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", file, err)
	}
	return pool, nil
}

// connect opens the database and makes sure that it answers.
func (d *Database) connect(ctx context.Context, a access) (*sql.DB, error) {
	pool, err := d.open(a)
	if errors.Is(err, fs.ErrNotExist) && a == reading {
		return nil, err // an empty place: no migration has been applied
	}
	if errors.Is(err, private.ErrForeign) {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: %w; %s", ErrUnusable, err, giveAccess)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := pool.PingContext(ctx); err != nil {
		_ = pool.Close() // the ping has failed; closing has nothing to add
		return nil, d.unavailable(err)
	}
	return pool, nil
}

const giveAccess = "give this user read and write access to it and to its directory"

// mended adds what to do where an error says that the database file needs mending.
// Other errors pass unchanged.
func (d *Database) mended(err error) error {
	broken, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch broken.Code() & 0xff { // the rest says more precisely what happened
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("%w: %s: %w; restore it from a backup", ErrUnusable, d.place, err)
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%w: %s: %w; %s", ErrUnusable, d.place, err, giveAccess)
	}
	return err
}

// lastTry says what the last of several ways to connect said.
type lastTry struct{ tries error }

func (l lastTry) Error() string {
	lines := strings.Split(l.tries.Error(), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

func (l lastTry) Unwrap() error { return l.tries }

// unavailable puts a connection error on one line. Where TLS is optional, pgx
// joins what each way of connecting said; the last is the plainest.
func (d *Database) unavailable(err error) error {
	if refused, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fmt.Errorf("%w: connect to Postgres as %s: %w; is it running, and are address and password right?",
			ErrUnavailable, refused.Config.User, lastTry{refused.Unwrap()})
	}
	if errors.Is(err, ErrPooler) {
		return err
	}
	if mended := d.mended(err); errors.Is(mended, ErrUnusable) {
		return mended
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, d.place, err)
}
