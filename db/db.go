// Package db is the schema of the durable store: one series of migrations for Postgres and one for SQLite, with the
// same versions, embedded in the binary and applied by golang-migrate.
//
// It protects one invariant: a binary never works on a schema that it does not understand. Every migration records the
// oldest binary that still works with it, so replicas of two neighbouring versions can run on one database during an
// upgrade, and a binary that is too old reports so instead of guessing. The same records prove what a migration left
// that was killed, so that the next one goes on from there. The package does not read or write the tables; the stores
// do.
package db

import (
	"embed"
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// What [Database.Check] and the operations refuse. Each is wrapped in a sentence
// that says how to mend it.
var (
	ErrSchemaBehind = errors.New("the database schema is older than this binary")
	ErrSchemaTooNew = errors.New("the database schema is newer than this binary can serve")
	ErrSchemaDirty  = errors.New("the database schema is half-migrated")
	// ErrUnknownVersion says that this binary has no migration of that number.
	ErrUnknownVersion = errors.New("no such migration")
	// ErrUnavailable says that the database can't be reached or read.
	ErrUnavailable = errors.New("database unavailable")
	// ErrPooler says that a change of the schema was asked for through a pooler, which carries the statements of one
	// migration, and the lock that keeps two apart, to different connections of the server.
	ErrPooler = errors.New("the URL leads to a pooler, through which mintmark can't change the schema; set MINTMARK_DATABASE_MIGRATE_URL to the URL of the server itself")
	// ErrUnusable says that a database file is damaged or not this user's to open:
	// waiting does not help.
	ErrUnusable = errors.New("database file can't be used")
)

//go:embed migrations
var migrations embed.FS

// Migration is one step of the timeline.
type Migration struct {
	Version int
	Name    string
	Applied bool
}

// known lists the migrations of a dialect that this binary brings, in order. What they
// are called is embedded, and under test.
func known(dialect string) []Migration {
	names, _ := fs.Glob(migrations, path.Join("migrations", dialect, "*.up.sql"))
	list := make([]Migration, 0, len(names)) // fs.Glob sorts them
	for _, name := range names {
		number, rest, _ := strings.Cut(path.Base(name), "_")
		version, _ := strconv.Atoi(number)
		list = append(list, Migration{Version: version, Name: strings.TrimSuffix(rest, ".up.sql")})
	}
	return list
}
