package db_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

func TestABrokenMigrationIsMendedByForce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE sessions (id integer)`) // in the way of the first migration
		err := d.Up(t.Context())
		if err == nil || strings.Contains(err.Error(), "CREATE TABLE") {
			t.Fatalf("got %v, want an error without SQL text", err)
		}
		if !strings.Contains(err.Error(), "already exists") || strings.Contains(err.Error(), "line 1 of") {
			t.Errorf("got %v, want the cause, and no line where none is known", err)
		}
		if err := d.Check(t.Context()); !errors.Is(err, db.ErrSchemaDirty) {
			t.Fatalf("got %v, want %v", err, db.ErrSchemaDirty)
		}
		d.exec(t, `DROP TABLE sessions`)
		if err := d.Force(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		d.up(t)
	})
}

// TestABrokenWayDownIsMendedByForce: what the records say is whole is then the version before it.
func TestABrokenWayDownIsMendedByForce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		const whole = 5 // no migration from 2 to this one touches the users
		for range whole {
			d.upOne(t)
		}
		d.exec(t, `ALTER TABLE users RENAME TO elsewhere`) // which the way down from 1 misses
		before := d.schema(t)
		err := d.Down(t.Context(), whole)
		if !errors.Is(err, db.ErrSchemaDirty) || !strings.HasPrefix(err.Error(), fmt.Sprintf("migrate down %d: ", whole)) {
			t.Fatalf("got %v, want %v", err, db.ErrSchemaDirty)
		}
		d.obey(t, err)
		if got := d.status(t).Version; got != 1 {
			t.Errorf("version %d, want 1, whose way down broke off", got)
		}
		for range whole - 1 {
			d.upOne(t)
		}
		if diff := cmp.Diff(before, d.schema(t)); diff != "" {
			t.Errorf("up again (-before +after):\n%s", diff)
		}
		d.exec(t, `ALTER TABLE elsewhere RENAME TO users`)
		d.down(t, whole)
	})
}

// TestAMigrationThatFailedRunsAgain and says the same, until nothing is in its way any more.
func TestAMigrationThatFailedRunsAgain(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE users (id integer)`)
		first, again := d.Up(t.Context()), d.Up(t.Context())
		if first == nil || !strings.HasPrefix(first.Error(), "migrate up: ") || !errors.Is(first, db.ErrSchemaDirty) {
			t.Fatalf("got %v, want an error of migrate up and %v", first, db.ErrSchemaDirty)
		}
		if again == nil || again.Error() != first.Error() {
			t.Errorf("again: got %v, want %v", again, first)
		}
		d.exec(t, `DROP TABLE users`)
		d.up(t)
	})
}

// TestWhatIsNotProvenIsLeftAlone until an operator forces a version.
func TestWhatIsNotProvenIsLeftAlone(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		for _, meddle := range []string{
			`UPDATE schema_migrations SET version = 2, dirty = true`, `UPDATE schema_migrations SET version = 2`, `DELETE FROM schema_migrations`,
		} {
			d.up(t).exec(t, meddle)
			before := d.status(t)
			err := d.Up(t.Context())
			if want := "migrate up: " + d.Check(t.Context()).Error(); err == nil || err.Error() != want {
				t.Fatalf("%s: got %v, want %s", meddle, err, want)
			}
			if diff := cmp.Diff(before, d.status(t)); diff != "" {
				t.Errorf("%s: it was changed (-before +after):\n%s", meddle, diff)
			}
			d.obey(t, err)
		}
		d.up(t)
	})
}

// TestABrokenMigrationIsNamedByItsLine, as Postgres tells it.
func TestABrokenMigrationIsNamedByItsLine(t *testing.T) {
	t.Parallel()
	d := postgres(t).up(t)
	d.down(t, d.latest(t)-2)
	d.exec(t, `ALTER TABLE sessions RENAME COLUMN revoked_at TO ended_at`)
	sql, err := os.ReadFile("migrations/postgres/0003_status_lists.up.sql")
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(sql), "WHERE revoked_at")
	err = d.Up(t.Context())
	if want := fmt.Sprintf("migrate up: line %d of the migration: ", strings.Count(before, "\n")+1); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestLookingAtASQLiteDatabaseCreatesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := db.SQLite(filepath.Join(dir, "none.db")).Check(t.Context()); !errors.Is(err, db.ErrSchemaBehind) {
		t.Errorf("got %v, want %v", err, db.ErrSchemaBehind)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestOnlyTheOwnerReadsASQLiteDatabase(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mintmark.db")
	if err := db.SQLite(file).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := stat.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %o, want 600", got)
	}
}

// operations are all there are.
func operations(ctx context.Context, d *db.Database) map[string]error {
	_, status := d.Status(ctx)
	return map[string]error{"check": d.Check(ctx), "status": status, "up": d.Up(ctx), "down": d.Down(ctx, 1), "force": d.Force(ctx, 1)}
}

// assertRefused wants every operation to fail in one line that says what to do and no password.
func assertRefused(t *testing.T, d *db.Database, want error, says ...string) {
	t.Helper()
	for name, err := range operations(t.Context(), d) {
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q holds the password or a line break", name, err)
		}
		for _, s := range says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %q does not say %q", name, err, s)
			}
		}
	}
}

func postgresAt(t *testing.T, url string) *db.Database {
	t.Helper()
	d, err := db.Postgres(url)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAnUnavailablePostgresIsNamedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, where := range []string{"127.0.0.1:1", silent.Addr().String()} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			assertRefused(t, postgresAt(t, "postgres://mint:hunter2@"+where+"/mintmark?connect_timeout=1"), db.ErrUnavailable,
				"connect to Postgres as mint: ", "; is it running, and are address and password right?")
		})
	}
	for _, bad := range []string{"postgres://mint:hunter2@:port/%%", "hunter2", "postgres://mint:hunter2@host:port/db"} {
		if _, err := db.Postgres(bad); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "; write ") {
			t.Errorf("%s: got %v, want how to write it, without the password", bad, err)
		}
	}
}

// TestAPostgresThatSaysNothingIsUnavailable after a while, also where its URL gives no time.
func TestAPostgresThatSaysNothingIsUnavailable(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	d := postgresAt(t, "postgres://mint:hunter2@"+silent.Addr().String()+"/mintmark")
	if err := within(t, func() error { return d.Check(t.Context()) }); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("got %v, want %v", err, db.ErrUnavailable)
	}
	if err := within(t, d.Ping); err == nil {
		t.Error("no error, want one of every connection, as golang-migrate makes its own")
	}
}

// TestACancelledOperationReportsWhereItStopped: nothing is begun.
func TestACancelledOperationReportsWhereItStopped(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		d.upOne(t)
		ctx, leave := context.WithCancel(t.Context())
		leave()
		place := "odd name?#%.db"
		if !d.isSQLite(t) {
			at, err := url.Parse(d.url)
			if err != nil {
				t.Fatal(err)
			}
			place = "Postgres at " + at.Hostname()
		}
		for name, err := range operations(ctx, d.Database) {
			if !errors.Is(err, db.ErrUnavailable) || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), place) {
				t.Errorf("%s: got %v, want %v, naming %s", name, err, context.Canceled, place)
			}
		}
		if got := d.status(t).Version; got != 1 {
			t.Errorf("version %d, want 1", got)
		}
	})
}

// TestASchemaThatCanNotBeReadIsUnavailable, whatever table it is about.
func TestASchemaThatCanNotBeReadIsUnavailable(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		for _, statement := range []string{`ALTER TABLE schema_compat RENAME COLUMN version TO edition`, `ALTER TABLE schema_migrations RENAME COLUMN dirty TO clean`} {
			d := d.another(t).up(t)
			d.exec(t, statement)
			if err := d.Check(t.Context()); !errors.Is(err, db.ErrUnavailable) || !strings.HasPrefix(err.Error(), "read schema status: ") {
				t.Errorf("%s: got %v, want %v", statement, err, db.ErrUnavailable)
			}
		}
	})
}

// TestAPostgresThatMayNotBeChangedSaysSo, and not that another migration runs.
func TestAPostgresThatMayNotBeChangedSaysSo(t *testing.T) {
	t.Parallel()
	place, err := url.Parse(testserver.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	place.RawQuery += "&target_session_attrs=any&options=-c%20default_transaction_read_only%3Don"
	d := postgresAt(t, place.String())
	const says = "migrate up: prepare migrations: ERROR: cannot execute CREATE TABLE in a read-only transaction"
	if err := d.Up(t.Context()); err == nil || !strings.HasPrefix(err.Error(), says) {
		t.Errorf("got %v, want %s", err, says)
	}
}

func TestAFileThatIsNotSQLiteIsReportedAsSuch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	garbage, torn := filepath.Join(dir, "garbage.db"), filepath.Join(dir, "torn.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	assertRefused(t, db.SQLite(garbage), db.ErrUnusable, garbage, "restore it from a backup")

	if err := db.SQLite(torn).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(torn, os.O_RDWR, 0)
	if err == nil {
		_, err = file.WriteAt([]byte(strings.Repeat("torn", 900)), 100) // the first page, beyond its header
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	assertRefused(t, db.SQLite(torn), db.ErrUnusable, torn, "restore it from a backup")
}

// TestASQLiteFileThatCanNotBeThereIsUnavailable, and nobody is sent to migrate it.
func TestASQLiteFileThatCanNotBeThereIsUnavailable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	assertRefused(t, db.SQLite(dir), db.ErrUnusable, dir, "name a file")
	nowhere := db.SQLite(filepath.Join(dir, "no", "mintmark.db"))
	for name, err := range map[string]error{"up": nowhere.Up(t.Context()), "force": nowhere.Force(t.Context(), 1)} {
		if !errors.Is(err, db.ErrUnavailable) || errors.Is(err, db.ErrSchemaBehind) {
			t.Errorf("%s: got %v, want %v", name, err, db.ErrUnavailable)
		}
	}
	if err := nowhere.Check(t.Context()); !errors.Is(err, db.ErrSchemaBehind) {
		t.Errorf("check: got %v, want %v", err, db.ErrSchemaBehind)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestNoOperationLeavesAConnectionOpen(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		place, err := url.Parse(testserver.Postgres(t))
		if err != nil {
			t.Fatal(err)
		}
		watcher := openTarget(t, "pgx/v5", place.String(), nil)
		query := place.Query()
		query.Set("application_name", "schema")
		place.RawQuery = query.Encode()
		d := postgresAt(t, place.String())
		operations(t.Context(), d)
		tick, deadline := time.NewTicker(10*time.Millisecond), time.After(limit)
		defer tick.Stop()
		for {
			open := watcher.lines(t, `SELECT query FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'schema'`)
			if len(open) == 0 {
				return
			}
			select {
			case <-tick.C: // the server is told of an end, and takes its time
			case <-deadline:
				t.Fatalf("still open, after %q", open)
			}
		}
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		d := db.SQLite(filepath.Join(dir, "mintmark.db"))
		for name, operation := range map[string]func() error{
			"up": func() error { return d.Up(t.Context()) }, "check": func() error { return d.Check(t.Context()) },
			"down": func() error { return d.Down(t.Context(), 1) }, "force": func() error { return d.Force(t.Context(), 1) },
		} {
			_ = operation() // some are refused, in the order that comes
			if left, err := filepath.Glob(filepath.Join(dir, "*-wal")); err != nil || len(left) > 0 {
				t.Errorf("%s left %v, %v: the last to close removes it", name, left, err)
			}
		}
	})
}

// TestASQLiteDatabaseIsWrittenAheadOf its file: those who read don't wait for those who write.
func TestASQLiteDatabaseIsWrittenAheadOf(t *testing.T) {
	t.Parallel()
	d := sqlite(t).up(t)
	if got := d.lines(t, `PRAGMA journal_mode`)[0]; got != "wal" {
		t.Errorf("journal mode %s, want wal", got)
	}
}
