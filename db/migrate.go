package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/source/iofs"
)

// Up applies every migration that the database lacks. On Postgres any number of
// callers may race: one does the work, the others wait. After a migration that was killed it
// goes on, where the records prove what that one left, and says so to d.Tell. A newer schema
// that still serves this binary is left alone. ErrSchemaDirty, ErrSchemaTooNew, ErrUnavailable.
func (d *Database) Up(ctx context.Context) error {
	err := d.run(ctx, d.resume, func(m *migrate.Migrate) error {
		err := m.Up()
		if errors.Is(err, migrate.ErrNoChange) || errors.Is(err, fs.ErrNotExist) { // it is at the last version, or past it
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("migrate up: %w", err)
	}
	return d.Check(context.WithoutCancel(ctx)) // all is done
}

// Down takes back the last n migrations, and what they hold with them.
// ErrSchemaDirty, ErrUnknownVersion, ErrUnavailable.
func (d *Database) Down(ctx context.Context, n int) error {
	status, err := d.Status(ctx)
	if err != nil {
		return err
	}
	switch {
	case status.Dirty:
		return status.halfway()
	case n < 1 || n > status.Version:
		return fmt.Errorf("migrate down %d: %w: %d applied; give a number from 1 to that", n, ErrUnknownVersion, status.Version)
	case status.Version > status.Latest:
		return fmt.Errorf("migrate down %d: %w: only the mintmark that brought version %d knows the way back", n, ErrUnknownVersion, status.Version)
	}
	if err := d.run(ctx, asItIs, func(m *migrate.Migrate) error { return m.Steps(-n) }); err != nil {
		return fmt.Errorf("migrate down %d: %w", n, err)
	}
	return nil
}

// Force declares that the schema is complete at a version (0: empty), after an operator has
// checked what a failed migration left behind. It runs no migration. ErrUnknownVersion,
// ErrUnavailable.
func (d *Database) Force(ctx context.Context, version int) error {
	list := known(d.dialect)
	if version != 0 && !slices.ContainsFunc(list, func(m Migration) bool { return m.Version == version }) {
		return fmt.Errorf("migrate force %d: %w: give a number from 0 to %d", version, ErrUnknownVersion, list[len(list)-1].Version)
	}
	force := func(m *migrate.Migrate) error {
		if version == 0 {
			return m.Force(database.NilVersion)
		}
		return m.Force(version)
	}
	if err := d.run(ctx, asItIs, force); err != nil {
		return fmt.Errorf("migrate force %d: %w", version, err)
	}
	return nil
}

// run does one operation over a connection of its own. When ctx ends, the
// migration under way is finished and no other begun: breaking it off would
// leave the schema dirty.
func (d *Database) run(ctx context.Context, prepare preparation, operation func(*migrate.Migrate) error) error {
	pool, err := d.connect(ctx, changing)
	if err != nil {
		return err
	}
	driver, err := d.driver(pool)
	if err != nil {
		_ = pool.Close() // the driver has failed; closing has nothing to add
		return fmt.Errorf("prepare migrations: %w", d.mended(err))
	}
	defer driver.Close() // closes the pool too; everything is committed by then
	files, err := iofs.New(migrations, path.Join("migrations", d.dialect))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	m, err := migrate.NewWithInstance("embedded", files, d.dialect, prepare(stoppable{driver, ctx}, pool))
	if err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	m.LockTimeout = d.turn + connectTimeout // the server's limit comes first: only that one ends the wait
	if err := operation(m); err != nil {
		return d.brokeOff(ctx, d.mended(plain(err)))
	}
	return nil
}

// preparation is what an operation adds to its driver.
type preparation func(stoppable, *sql.DB) database.Driver

// asItIs adds nothing: what has not ended is refused.
func asItIs(s stoppable, _ *sql.DB) database.Driver { return s }

func (d *Database) resume(s stoppable, pool *sql.DB) database.Driver {
	return resuming{s, func() (Status, error) { return d.status(s.ctx, pool) }, d.Tell}
}

// stoppable is a driver that begins no migration when ctx has ended. Drivers know no
// contexts, so it brings its own.
type stoppable struct {
	database.Driver
	ctx context.Context
}

// SetVersion marks the schema dirty before each migration, and clean after it.
func (s stoppable) SetVersion(version int, dirty bool) error {
	if err := s.ctx.Err(); err != nil && dirty {
		return err
	}
	return s.Driver.SetVersion(version, dirty)
}

// brokeOff adds to the error of an operation what is to be done where it left the
// schema half-migrated, or found it so.
func (d *Database) brokeOff(ctx context.Context, err error) error {
	status, _ := d.Status(context.WithoutCancel(ctx)) // where it can't be read, err says enough
	if !status.Dirty {
		return err
	}
	if _, found := errors.AsType[migrate.ErrDirty](err); found {
		return status.halfway()
	}
	return fmt.Errorf("%w; %w", err, status.halfway())
}

// plain turns golang-migrate's errors, which quote whole migrations, into ones
// that say where it went wrong.
func plain(err error) error {
	var failed database.Error
	if pointer, ok := errors.AsType[*database.Error](err); ok {
		failed = *pointer
	} else if value, ok := errors.AsType[database.Error](err); ok {
		failed = value
	} else {
		return err
	}
	if failed.Line > 1 { // 0 and 1: unknown
		return fmt.Errorf("line %d of the migration: %w", failed.Line, failed.OrigErr)
	}
	return failed.OrigErr
}
