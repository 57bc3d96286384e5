package db_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/db"
)

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

// TestAnEarlierBinaryStartsSessionsWithoutAStatusIndex, of which there is one for one
// session at most.
func TestAnEarlierBinaryStartsSessionsWithoutAStatusIndex(t *testing.T) {
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

func TestUpLeavesADirtyOrTooNewSchemaAlone(t *testing.T) {
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

// TestUpLeavesWhatANewerBinaryBeganToIt, and is content where the schema serves this one.
func TestUpLeavesWhatANewerBinaryBeganToIt(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		d.up(t)
		d.Tell = func(line string) { t.Errorf("told %q", line) }
		for _, meddle := range []string{
			`UPDATE schema_migrations SET version = 7, dirty = true`, `INSERT INTO schema_compat VALUES (7, 1)`, `UPDATE schema_migrations SET version = 6`,
		} {
			d.exec(t, meddle)
			before := d.status(t)
			if err := d.Up(t.Context()); err != nil {
				t.Errorf("%s: %v", meddle, err)
			}
			if diff := cmp.Diff(before, d.status(t)); diff != "" || !before.Complete() {
				t.Errorf("%s: it was changed (-before +after):\n%s", meddle, diff)
			}
		}
		d.exec(t, `UPDATE schema_compat SET oldest_binary = 7 WHERE version = 7`)
		if err := d.Up(t.Context()); !errors.Is(err, db.ErrSchemaTooNew) {
			t.Errorf("where it serves no more: got %v, want %v", err, db.ErrSchemaTooNew)
		}
	})
}

func TestForceKnowsOnlyVersionsThatExist(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		latest := d.up(t).latest(t)
		for _, version := range []int{-1, latest + 1, 1001} {
			err := d.Force(t.Context(), version)
			says := fmt.Sprintf("migrate force %d: %v: give a number from 0 to %d", version, db.ErrUnknownVersion, latest)
			if !errors.Is(err, db.ErrUnknownVersion) || err.Error() != says {
				t.Errorf("got %v, want %s", err, says)
			}
		}
		if err := d.Check(t.Context()); err != nil {
			t.Error(err)
		}
		before := d.schema(t)
		for version := range latest + 1 {
			d.exec(t, `DELETE FROM schema_migrations`, `INSERT INTO schema_migrations (version, dirty) VALUES (1, true)`)
			if err := d.Force(t.Context(), version); err != nil {
				t.Error(err)
			}
			if got := d.status(t); got.Version != version || got.Dirty {
				t.Errorf("forced to %d: %v", version, got)
			}
		}
		if diff := cmp.Diff(before, d.schema(t)); diff != "" {
			t.Errorf("force touched the tables:\n%s", diff)
		}
	})
}

func TestDownTakesBackAsManyAsThereAre(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		latest := d.up(t).latest(t)
		for applied := latest; applied >= 0; applied-- {
			for _, n := range []int{-1, 0, applied + 1, 1001} {
				err := d.Down(t.Context(), n)
				says := fmt.Sprintf("migrate down %d: %v: %d applied; give a number from 1 to that", n, db.ErrUnknownVersion, applied)
				if !errors.Is(err, db.ErrUnknownVersion) || err.Error() != says {
					t.Errorf("got %v, want %s", err, says)
				}
			}
			if got := d.status(t).Version; got != applied {
				t.Fatalf("version %d, want %d", got, applied)
			}
			if applied > 0 {
				d.down(t, 1)
			}
		}
		for n := 1; n <= latest; n++ {
			d.up(t).down(t, n)
			if got := d.status(t).Version; got != latest-n {
				t.Errorf("down %d: version %d, want %d", n, got, latest-n)
			}
		}
	})
}
