package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Status is where the schema of a database stands.
type Status struct {
	Version      int  // the last migration applied; 0: none
	Latest       int  // the last migration this binary knows
	OldestBinary int  // a binary must know this migration to be served
	Dirty        bool // a migration broke off in the middle of Version
	Recorded     int  // the last migration whose record is there: each leaves it with its tables
	Migrations   []Migration
}

// Status reads where the schema stands. It changes nothing.
func (d *Database) Status(ctx context.Context) (Status, error) {
	list := known(d.dialect)
	status := Status{Migrations: list, Latest: list[len(list)-1].Version}
	pool, err := d.connect(ctx, reading)
	if errors.Is(err, fs.ErrNotExist) {
		return status, nil
	}
	if err != nil {
		return Status{}, err
	}
	defer pool.Close() // only read
	if err := d.read(ctx, pool, &status); err != nil {
		return Status{}, fmt.Errorf("read schema status: %w", d.unavailable(err))
	}
	for i, m := range status.Migrations {
		status.Migrations[i].Applied = m.Version < status.Version || (m.Version == status.Version && !status.Dirty)
	}
	return status, nil
}

func (d *Database) read(ctx context.Context, pool *sql.DB, status *Status) error {
	switch there, err := d.hasTable(ctx, pool, "schema_migrations"); {
	case err != nil:
		return err
	case !there:
		return nil
	}
	err := pool.QueryRowContext(ctx, `SELECT version, dirty FROM schema_migrations LIMIT 1`).Scan(&status.Version, &status.Dirty)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	status.Version = max(0, status.Version) // -1 while the first one runs

	switch there, err := d.hasTable(ctx, pool, "schema_compat"); {
	case err != nil:
		return err
	case !there:
		return nil
	}
	const query = `SELECT coalesce(max(oldest_binary), 0), coalesce(max(version), 0) FROM schema_compat`
	return pool.QueryRowContext(ctx, query).Scan(&status.OldestBinary, &status.Recorded)
}

func (d *Database) hasTable(ctx context.Context, pool *sql.DB, name string) (bool, error) {
	query := `SELECT count(*) FROM sqlite_schema WHERE name = $1`
	if d.dialect == "postgres" {
		query = `SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = current_schema() AND tablename = $1`
	}
	var n int
	err := pool.QueryRowContext(ctx, query, name).Scan(&n)
	return n > 0, err
}

// Check checks that this binary can work with the database. It returns nil, ErrSchemaBehind, ErrSchemaTooNew,
// ErrSchemaDirty, ErrUnavailable or ErrUnusable. A newer schema that still serves this binary is good.
func (d *Database) Check(ctx context.Context) error {
	status, err := d.Status(ctx)
	if err != nil {
		return err
	}
	return status.verdict()
}

func (s Status) verdict() error {
	switch {
	case s.Dirty:
		return fmt.Errorf("%w: the way to version %d broke off, and by its records it is whole at version %d; see whether that is so, then run `mintmark migrate force %d` and `mintmark migrate up`",
			ErrSchemaDirty, s.Version, s.Recorded, s.Recorded)
	case s.Version != s.Recorded:
		return fmt.Errorf("%w: it claims version %d, and by its records it is at version %d; see which is so, then run `mintmark migrate force %d` and `mintmark migrate up`",
			ErrSchemaDirty, s.Version, s.Recorded, s.Recorded)
	case s.Version < s.Latest:
		return fmt.Errorf("%w: it is at version %d of %d; run `mintmark migrate up`", ErrSchemaBehind, s.Version, s.Latest)
	case s.OldestBinary > s.Latest:
		return fmt.Errorf("%w: it is at version %d, which asks for a binary that knows version %d, and this one knows %d; install a newer mintmark, or go back with the newer one's `mintmark migrate down %d`",
			ErrSchemaTooNew, s.Version, s.OldestBinary, s.Latest, s.Version-s.Latest)
	default:
		return nil
	}
}

// String is the status in one line.
func (s Status) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "schema version %d of %d", s.Version, s.Latest)
	if s.Dirty {
		b.WriteString(", dirty")
	}
	return b.String()
}
