package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Status is where the schema of a database stands.
type Status struct {
	Version      int   // the last migration applied; 0: none
	Latest       int   // the last migration this binary knows
	OldestBinary int   // a binary must know this migration to be served
	Dirty        bool  // a migration to Version was begun, and is not noted as done
	Records      []int // the migrations whose record is there, in order; nil: no table of records
	Migrations   []Migration
}

// Status reads where the schema stands. It changes nothing.
func (d *Database) Status(ctx context.Context) (Status, error) {
	pool, err := d.connect(ctx, reading)
	if errors.Is(err, fs.ErrNotExist) {
		return d.empty(), nil
	}
	if err != nil {
		return Status{}, err
	}
	defer pool.Close() // only read
	return d.status(ctx, pool)
}

// empty is the status of a database without any table.
func (d *Database) empty() Status {
	list := known(d.dialect)
	return Status{Latest: list[len(list)-1].Version, Migrations: list}
}

// status reads where the schema stands as of one moment, though a migration may run: SQLite
// shows a transaction one moment only, and on Postgres the version stays locked once it is read,
// so that no migration begins or ends before the records are.
func (d *Database) status(ctx context.Context, pool *sql.DB) (Status, error) {
	status := d.empty()
	tx, err := pool.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err == nil {
		defer func() { _ = tx.Rollback() }() // only read
		err = d.readVersion(ctx, tx, &status)
	}
	if err == nil {
		err = d.readRecords(ctx, tx, &status)
	}
	if err != nil {
		return Status{}, fmt.Errorf("read schema status: %w", d.unavailable(err))
	}
	for i, m := range status.Migrations {
		status.Migrations[i].Applied = slices.Contains(status.Records, m.Version)
	}
	return status, nil
}

func (d *Database) readVersion(ctx context.Context, tx *sql.Tx, status *Status) error {
	if there, err := d.hasTable(ctx, tx, "schema_migrations"); err != nil || !there {
		return err
	}
	err := tx.QueryRowContext(ctx, `SELECT version, dirty FROM schema_migrations LIMIT 1`).Scan(&status.Version, &status.Dirty)
	status.Version = max(0, status.Version) // -1 on the way down from the first
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

func (d *Database) readRecords(ctx context.Context, tx *sql.Tx, status *Status) error {
	if there, err := d.hasTable(ctx, tx, "schema_compat"); err != nil || !there {
		return err
	}
	rows, err := tx.QueryContext(ctx, `SELECT version, oldest_binary FROM schema_compat ORDER BY version`)
	if err != nil {
		return err
	}
	defer rows.Close()
	status.Records = []int{}
	for rows.Next() {
		var version, oldest int
		if err := rows.Scan(&version, &oldest); err != nil {
			return err
		}
		status.Records = append(status.Records, version)
		status.OldestBinary = max(status.OldestBinary, oldest)
	}
	return rows.Err()
}

func (d *Database) hasTable(ctx context.Context, tx *sql.Tx, name string) (bool, error) {
	query := `SELECT count(*) FROM sqlite_schema WHERE name = $1`
	if d.dialect == "postgres" {
		query = `SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = current_schema() AND tablename = $1`
	}
	var n int
	err := tx.QueryRowContext(ctx, query, name).Scan(&n)
	return n > 0, err
}

// Check checks that this binary can work with the database. It returns nil, ErrSchemaBehind, ErrSchemaTooNew,
// ErrSchemaDirty, ErrUnavailable or ErrUnusable.
func (d *Database) Check(ctx context.Context) error {
	status, err := d.Status(ctx)
	if err != nil {
		return err
	}
	return status.Verdict()
}

// Verdict says whether this binary can work with the schema: nil, ErrSchemaBehind, ErrSchemaTooNew or
// ErrSchemaDirty. A newer schema that still serves this binary is good, and so is one on which a migration
// has not ended, if the records prove that it serves this binary: see [Status.Unended].
func (s Status) Verdict() error {
	outcome, whole := s.judge()
	switch {
	case outcome == unproven, s.Dirty && whole < s.Latest:
		return s.halfway()
	case outcome == misnoted:
		return fmt.Errorf("%w: it claims version %d, and by its records it is at version %d; see which is so, then run `mintmark migrate force %d` and `mintmark migrate up`",
			ErrSchemaDirty, s.Version, whole, whole)
	case whole < s.Latest:
		return fmt.Errorf("%w: it is at version %d of %d; run `mintmark migrate up`", ErrSchemaBehind, whole, s.Latest)
	case s.OldestBinary > s.Latest:
		return fmt.Errorf("%w: it is at version %d, which asks for a binary that knows version %d, and this one knows %d; install a newer mintmark, or go back with the newer one's `mintmark migrate down %d`",
			ErrSchemaTooNew, whole, s.OldestBinary, s.Latest, whole-s.Latest)
	default:
		return nil
	}
}

// String is the status in one line.
func (s Status) String() string {
	line := fmt.Sprintf("schema version %d of %d", s.Version, s.Latest)
	if s.Dirty {
		line += ": " + s.Unended()
	}
	return line
}
