package db_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// target is one empty database and a way to meddle with it.
type target struct {
	*db.Database
	sql *sql.DB
}

func (d target) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := d.sql.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func (d target) up(t *testing.T) target {
	t.Helper()
	if err := d.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func openTarget(t *testing.T, driver, dsn string, database *db.Database) target {
	t.Helper()
	handle, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := handle.Close(); err != nil {
			t.Error(err)
		}
	})
	return target{Database: database, sql: handle}
}

func postgres(t *testing.T) target {
	t.Helper()
	url := testserver.Postgres(t)
	database, err := db.Postgres(url)
	if err != nil {
		t.Fatal(err)
	}
	return openTarget(t, "pgx/v5", url, database)
}

func sqlite(t *testing.T) target {
	t.Helper()
	file := filepath.Join(t.TempDir(), "odd name?#%.db")
	escaped := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23", " ", "%20").Replace(file)
	return openTarget(t, "sqlite", "file:"+escaped+"?_pragma=busy_timeout(5000)", db.SQLite(file))
}

// onBoth runs a test on an empty database of each dialect.
func onBoth(t *testing.T, test func(*testing.T, target)) {
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, postgres(t)) })
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, sqlite(t)) })
}

func TestBothTimelinesAreInLockStep(t *testing.T) {
	t.Parallel()
	timeline := func(dialect string) []string {
		names, err := fs.Glob(os.DirFS("migrations/"+dialect), "*")
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	postgres, sqlite := timeline("postgres"), timeline("sqlite")
	if diff := cmp.Diff(postgres, sqlite); diff != "" {
		t.Errorf("sqlite differs from postgres (-postgres +sqlite):\n%s", diff)
	}
	for i := 0; i+1 < len(postgres); i += 2 {
		name, _ := strings.CutSuffix(postgres[i], ".down.sql")
		if number := fmt.Sprintf("%04d_", i/2+1); !strings.HasPrefix(name, number) || postgres[i+1] != name+".up.sql" {
			t.Errorf("files %q, want a pair %sname.down.sql and .up.sql without a gap", postgres[i:i+2], number)
		}
	}
}

func TestUpDownUp(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		before := d.tables(t)
		for range 2 {
			d.up(t)
			status, err := d.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if status.Version != status.Latest || !status.Migrations[len(status.Migrations)-1].Applied {
				t.Fatalf("after up: %+v", status)
			}
			if err := d.Down(t.Context(), status.Latest); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, d.tables(t)); diff != "" {
				t.Fatalf("down left something behind:\n%s", diff)
			}
		}
		if err := d.up(t).Up(t.Context()); err != nil {
			t.Errorf("a second up: %v", err)
		}
	})
}

// tables lists what the database holds, but for golang-migrate's own table.
func (d target) tables(t *testing.T) []string {
	t.Helper()
	query := `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name <> 'schema_migrations' ORDER BY 1`
	if d.isSQLite(t) {
		query = `SELECT name FROM sqlite_master WHERE name NOT IN ('schema_migrations', 'version_unique') ORDER BY 1`
	}
	rows, err := d.sql.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

func (d target) isSQLite(t *testing.T) bool {
	return d.sql.QueryRowContext(t.Context(), `SELECT sqlite_version()`).Scan(new(string)) == nil
}

func TestEveryMigrationRecordsTheOldestBinaryItServes(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		d.up(t)
		status, err := d.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range status.Migrations {
			var n int
			if err := d.sql.QueryRowContext(t.Context(), fmt.Sprintf(`SELECT count(*) FROM schema_compat WHERE version = %d`, m.Version)).Scan(&n); err != nil {
				t.Fatal(err)
			}
			if n != 1 {
				t.Errorf("migration %d has %d records, want 1", m.Version, n)
			}
		}
	})
}

// TestABinaryOfBeforeStartsSessionsWithoutAStatusIndex, of which there is one for one
// session at most.
func TestABinaryOfBeforeStartsSessionsWithoutAStatusIndex(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		now, later := "now()", "now() + interval '1 day'"
		family := func(n int) string { return fmt.Sprintf(`'\x%032x'`, n) }
		if d.isSQLite(t) {
			now, later = "1", "2"
			family = func(n int) string { return fmt.Sprintf(`X'%032x'`, n) }
		}
		const user = `'01890000-0000-7000-8000-000000000000'`
		d.up(t).exec(t, `INSERT INTO users (id, username, username_canonical, password_hash, created_at, sessions_valid_after)
			VALUES (`+user+`, 'a', 'a', 'h', `+now+`, `+now+`)`)
		start := func(n int) string {
			return fmt.Sprintf(`INSERT INTO sessions (family, id, user_id, client_id, created_at, absolute_expiry, checkpoint, last_seen_at, address, user_agent)
				VALUES (%s, '01890000-0000-7000-8000-%012d', %s, 'first-party', %s, %s, 1, %s, '', '')`, family(n), n, user, now, later, now)
		}
		d.exec(t, start(1), start(2), `UPDATE sessions SET status_index = 7 WHERE family = `+family(1))
		for _, refused := range []string{`7`, `-1`} {
			if _, err := d.sql.ExecContext(t.Context(), `UPDATE sessions SET status_index = `+refused+` WHERE family = `+family(2)); err == nil {
				t.Errorf("index %s was taken", refused)
			}
		}
	})
}

func TestRacingUpsOnPostgresAreSafe(t *testing.T) {
	t.Parallel()
	d := postgres(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := d.Up(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if err := d.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCheckRefusesASchemaItCannotServe(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		setup []string
		want  error
		says  string
	}{
		{"current", nil, nil, ""},
		{"behind", []string{`DELETE FROM schema_migrations`}, db.ErrSchemaBehind, "mintmark migrate up"},
		{"dirty", []string{`UPDATE schema_migrations SET dirty = true`}, db.ErrSchemaDirty, "mintmark migrate force"},
		{"forced to a version that is not there", []string{`DELETE FROM schema_compat`}, db.ErrSchemaDirty, "mintmark migrate force"},
		{
			"newer but compatible",
			[]string{`UPDATE schema_migrations SET version = 1001`, `INSERT INTO schema_compat VALUES (1001, 1)`},
			nil, "",
		},
		{
			"newer and incompatible",
			[]string{`UPDATE schema_migrations SET version = 1001`, `INSERT INTO schema_compat VALUES (1000, 1000), (1001, 999)`},
			db.ErrSchemaTooNew, "asks for a binary that knows version 1000",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, d target) {
				d.up(t).exec(t, c.setup...)
				err := d.Check(t.Context())
				if !errors.Is(err, c.want) || (err != nil && !strings.Contains(err.Error(), c.says)) {
					t.Errorf("got %v, want %v saying %q", err, c.want, c.says)
				}
			})
		})
	}
}

func TestUpLeavesASchemaAloneThatIsDirtyOrTooNew(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		d.up(t).exec(t, `UPDATE schema_migrations SET version = 1001`, `INSERT INTO schema_compat VALUES (1001, 1)`)
		if err := d.Up(t.Context()); err != nil {
			t.Errorf("newer but compatible: %v", err)
		}
		if err := d.Down(t.Context(), 1); !errors.Is(err, db.ErrUnknownVersion) {
			t.Errorf("down from a newer schema: got %v, want %v", err, db.ErrUnknownVersion)
		}
		d.exec(t, `UPDATE schema_compat SET oldest_binary = 1001 WHERE version = 1001`)
		if err := d.Up(t.Context()); !errors.Is(err, db.ErrSchemaTooNew) {
			t.Errorf("newer: got %v, want %v", err, db.ErrSchemaTooNew)
		}
		d.exec(t, `UPDATE schema_migrations SET version = 1, dirty = true`)
		if err := d.Up(t.Context()); !errors.Is(err, db.ErrSchemaDirty) {
			t.Errorf("dirty: got %v, want %v", err, db.ErrSchemaDirty)
		}
		if err := d.Down(t.Context(), 1); !errors.Is(err, db.ErrSchemaDirty) {
			t.Errorf("down from dirty: got %v, want %v", err, db.ErrSchemaDirty)
		}
	})
}

func TestABrokenMigrationIsMendedByForce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE sessions (id integer)`) // in the way of the first migration
		err := d.Up(t.Context())
		if err == nil || strings.Contains(err.Error(), "CREATE TABLE") {
			t.Fatalf("got %v, want an error without SQL text", err)
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

func TestForceKnowsOnlyVersionsThatExist(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		for _, version := range []int{-1, 1001} {
			if err := d.up(t).Force(t.Context(), version); !errors.Is(err, db.ErrUnknownVersion) {
				t.Errorf("force %d: got %v, want %v", version, err, db.ErrUnknownVersion)
			}
		}
		for _, n := range []int{-1, 0, 1001} {
			if err := d.Down(t.Context(), n); !errors.Is(err, db.ErrUnknownVersion) {
				t.Errorf("down %d: got %v, want %v", n, err, db.ErrUnknownVersion)
			}
		}
		if err := d.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
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

func TestAnUnavailableDatabaseIsNamedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "garbage.db")
	if err := os.WriteFile(file, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	down, err := db.Postgres("postgres://mint:hunter2@127.0.0.1:1/mintmark")
	if err != nil {
		t.Fatal(err)
	}
	for d, want := range map[*db.Database]error{down: db.ErrUnavailable, db.SQLite(file): db.ErrUnusable} {
		for verb, err := range map[string]error{"check": d.Check(t.Context()), "up": d.Up(t.Context())} {
			if !errors.Is(err, want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: got %q, want one line of %q without the password", verb, err, want)
			}
		}
	}
	if _, err := db.Postgres("postgres://mint:hunter2@:port/%%"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want an error without the password", err)
	}
}

// TestAMigrationDoesNotQueueBehindALock, with everybody behind it: it gives up, and has changed nothing.
func TestAMigrationDoesNotQueueBehindALock(t *testing.T) {
	t.Parallel()
	d := postgres(t).up(t)
	status, err := d.Status(t.Context())
	if err == nil {
		err = d.Down(t.Context(), status.Version-2)
	}
	if err != nil {
		t.Fatal(err)
	}
	before := d.tables(t)
	busy, err := d.sql.BeginTx(t.Context(), nil)
	if err == nil {
		_, err = busy.ExecContext(t.Context(), `LOCK TABLE sessions IN ROW EXCLUSIVE MODE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "lock timeout") {
		t.Errorf("got %v, want a lock timeout", err)
	}
	if err := busy.Rollback(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, d.tables(t)); diff != "" {
		t.Errorf("something was changed:\n%s", diff)
	}
	if err := d.Force(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	d.up(t)
}
