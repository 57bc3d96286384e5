package db_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/db"
)

// TestCheckHasAVerdictOnEverySchema, each in the words that an operator reads.
func TestCheckHasAVerdictOnEverySchema(t *testing.T) {
	t.Parallel()
	undone := func(to, whole int) string {
		return fmt.Sprintf("%v: a migration to version %d was begun and has not ended; by its records the schema is whole at version %d; run `mintmark migrate up`, which goes on from there, or `mintmark migrate force %d`, which stays there",
			db.ErrSchemaDirty, to, whole, whole)
	}
	done := func(version int) string {
		return fmt.Sprintf("%v: a migration to version %d is done, and was not noted as done; run `mintmark migrate up`, which goes on from there, or `mintmark migrate force %d`, which stays there",
			db.ErrSchemaDirty, version, version)
	}
	unproven := func(to int, records string, last int) string {
		return fmt.Sprintf("%v: a migration to version %d was begun and has not ended, and the records, which are of versions %s, don't prove what it left; see what is there, then run `mintmark migrate force %d` and `mintmark migrate up`",
			db.ErrSchemaDirty, to, records, last)
	}
	claims := func(version, recorded int) string {
		return fmt.Sprintf("%v: it claims version %d, and by its records it is at version %d; see which is so, then run `mintmark migrate force %d` and `mintmark migrate up`",
			db.ErrSchemaDirty, version, recorded, recorded)
	}
	behind := func(version, latest int) string {
		return fmt.Sprintf("%v: it is at version %d of %d; run `mintmark migrate up`", db.ErrSchemaBehind, version, latest)
	}
	tooNew := func(version, oldest, latest int) string {
		return fmt.Sprintf("%v: it is at version %d, which asks for a binary that knows version %d, and this one knows %d; install a newer mintmark, or go back with the newer one's `mintmark migrate down %d`",
			db.ErrSchemaTooNew, version, oldest, latest, version-latest)
	}
	const latest = 6 // as in the statements below
	cases := []struct {
		name  string
		setup func(*testing.T, target)
		want  error
		says  string
	}{
		{"current", func(t *testing.T, d target) { d.up(t) }, nil, ""},
		{"empty", func(*testing.T, target) {}, db.ErrSchemaBehind, behind(0, latest)},
		{"behind", func(t *testing.T, d target) { d.up(t).down(t, 1) }, db.ErrSchemaBehind, behind(latest-1, latest)},
		{"far behind", func(t *testing.T, d target) { d.upOne(t) }, db.ErrSchemaBehind, behind(1, latest)},
		{"all taken back", func(t *testing.T, d target) { d.up(t).down(t, latest) }, db.ErrSchemaBehind, behind(0, latest)},
		{"its version forgotten", after(`DELETE FROM schema_migrations`), db.ErrSchemaDirty, claims(0, latest)},
		{"its version and the table of it forgotten", after(`DROP TABLE schema_migrations`), db.ErrSchemaDirty, claims(0, latest)},
		{"broken off, done", after(`UPDATE schema_migrations SET dirty = true`), nil, ""},
		{"broken off, done, and behind", after(`UPDATE schema_migrations SET version = 5, dirty = true`, `DELETE FROM schema_compat WHERE version = 6`), db.ErrSchemaDirty, done(5)},
		{"broken off on the way down", after(`UPDATE schema_migrations SET version = 5, dirty = true`), nil, ""},
		{"broken off on the way up", after(`UPDATE schema_migrations SET dirty = true`, `DELETE FROM schema_compat WHERE version = 6`), db.ErrSchemaDirty, undone(latest, 5)},
		{"broken off at first", after(`UPDATE schema_migrations SET version = 1, dirty = true`, `DROP TABLE schema_compat`), db.ErrSchemaDirty, undone(1, 0)},
		{"broken off at last", after(`UPDATE schema_migrations SET version = -1, dirty = true`, `DELETE FROM schema_compat WHERE version > 1`), db.ErrSchemaDirty, undone(0, 1)},
		{"broken off at last, done", after(`UPDATE schema_migrations SET version = -1, dirty = true`, `DROP TABLE schema_compat`), db.ErrSchemaDirty, done(0)},
		{"broken off too far from its records", after(`UPDATE schema_migrations SET version = 2, dirty = true`), db.ErrSchemaDirty, unproven(2, "[1 2 3 4 5 6]", latest)},
		{"broken off, with a gap in its records", after(`UPDATE schema_migrations SET dirty = true`, `DELETE FROM schema_compat WHERE version = 2`), db.ErrSchemaDirty, unproven(latest, "[1 3 4 5 6]", latest)},
		{"broken off, with a table of no records", after(`UPDATE schema_migrations SET version = 1, dirty = true`, `DELETE FROM schema_compat`), db.ErrSchemaDirty, unproven(1, "[]", 0)},
		{"forced to what is not there", after(`DELETE FROM schema_compat`), db.ErrSchemaDirty, claims(latest, 0)},
		{"forced one too far", after(`DELETE FROM schema_compat WHERE version = 6`), db.ErrSchemaDirty, claims(latest, 5)},
		{"forced below what is there", after(`UPDATE schema_migrations SET version = 2`), db.ErrSchemaDirty, claims(2, latest)},
		{"newer, and serves this one just so", newer(`INSERT INTO schema_compat VALUES (1001, 6)`), nil, ""},
		{"newer by one, which this one does not know", newer(`INSERT INTO schema_compat VALUES (1001, 7)`), db.ErrSchemaTooNew, tooNew(1001, 7, latest)},
		{"newer, with one between that does not serve this one", newer(`INSERT INTO schema_compat VALUES (1000, 1000), (1001, 999)`), db.ErrSchemaTooNew, tooNew(1001, 1000, latest)},
		{"newer and broken off, too far from its records", newer(`UPDATE schema_migrations SET dirty = true`), db.ErrSchemaDirty, unproven(1001, "[1 2 3 4 5 6]", latest)},
		{"a newer one begun", after(`UPDATE schema_migrations SET version = 7, dirty = true`), nil, ""},
		{"a newer one done, which serves this one", after(`UPDATE schema_migrations SET version = 7, dirty = true`, `INSERT INTO schema_compat VALUES (7, 6)`), nil, ""},
		{"a newer one done, which does not serve this one", after(`UPDATE schema_migrations SET version = 7, dirty = true`, `INSERT INTO schema_compat VALUES (7, 7)`), db.ErrSchemaTooNew, tooNew(7, 7, latest)},
		{"newer without its record", newer(), db.ErrSchemaDirty, claims(1001, latest)},
	}
	onBoth(t, func(t *testing.T, d target) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				d := d.another(t)
				c.setup(t, d)
				err := d.Check(t.Context())
				if !errors.Is(err, c.want) || (err != nil && err.Error() != c.says) {
					t.Errorf("got %v\nwant %s", err, c.says)
				}
			})
		}
	})
}

// after is a whole schema that was meddled with.
func after(statements ...string) func(*testing.T, target) {
	return func(t *testing.T, d target) {
		t.Helper()
		d.up(t).exec(t, statements...)
	}
}

// newer is the schema of a binary to come.
func newer(statements ...string) func(*testing.T, target) {
	return after(append([]string{`UPDATE schema_migrations SET version = 1001`}, statements...)...)
}

func TestStatusShowsWhichMigrationsAreApplied(t *testing.T) {
	t.Parallel()
	list := func(applied ...bool) []db.Migration {
		return []db.Migration{{1, "foundation", applied[0]}, {2, "keys_stay_revoked", applied[1]}, {3, "status_lists", applied[2]}, {4, "grants", applied[3]}, {5, "events", applied[4]}, {6, "names", applied[5]}}
	}
	onBoth(t, func(t *testing.T, d target) {
		for _, c := range []struct {
			setup func()
			want  db.Status
			says  string
		}{
			{func() {}, db.Status{Latest: 6, Migrations: list(false, false, false, false, false, false)}, "schema version 0 of 6"},
			{func() { d.upOne(t) }, db.Status{Version: 1, Latest: 6, OldestBinary: 1, Records: []int{1}, Migrations: list(true, false, false, false, false, false)}, "schema version 1 of 6"},
			{func() { d.up(t) }, db.Status{Version: 6, Latest: 6, OldestBinary: 1, Records: []int{1, 2, 3, 4, 5, 6}, Migrations: list(true, true, true, true, true, true)}, "schema version 6 of 6"},
			{
				func() {
					d.exec(t, `UPDATE schema_migrations SET version = 2, dirty = true`, `UPDATE schema_compat SET oldest_binary = 2 WHERE version = 2`)
				},
				db.Status{Version: 2, Latest: 6, OldestBinary: 2, Dirty: true, Records: []int{1, 2, 3, 4, 5, 6}, Migrations: list(true, true, true, true, true, true)},
				"schema version 2 of 6: a migration to version 2 was begun and has not ended, and the records, which are of versions [1 2 3 4 5 6], don't prove what it left; see what is there, then run `mintmark migrate force 6` and `mintmark migrate up`",
			},
			{
				func() { d.exec(t, `UPDATE schema_migrations SET version = 9, dirty = false`) },
				db.Status{Version: 9, Latest: 6, OldestBinary: 2, Records: []int{1, 2, 3, 4, 5, 6}, Migrations: list(true, true, true, true, true, true)}, "schema version 9 of 6",
			},
		} {
			c.setup()
			got := d.status(t)
			if diff := cmp.Diff(c.want, got); diff != "" || got.String() != c.says {
				t.Errorf("%q, want %q; (-want +got):\n%s", got, c.says, diff)
			}
		}
	})
}

// TestTheSchemaOfOthersIsNotOurs: a Postgres database may hold several.
func TestTheSchemaOfOthersIsNotOurs(t *testing.T) {
	t.Parallel()
	d := postgres(t)
	d.exec(t, `CREATE SCHEMA theirs`, `CREATE TABLE theirs.schema_migrations (version bigint, dirty boolean)`,
		`INSERT INTO theirs.schema_migrations VALUES (7, true)`, `CREATE TABLE theirs.schema_compat (version integer)`)
	if err := d.Check(t.Context()); !errors.Is(err, db.ErrSchemaBehind) {
		t.Errorf("got %v, want %v", err, db.ErrSchemaBehind)
	}
	d.upOne(t)
	d.down(t, 1)
	d.exec(t, `INSERT INTO schema_migrations VALUES (1, false)`) // and no schema_compat but theirs
	if err := d.Check(t.Context()); !errors.Is(err, db.ErrSchemaDirty) {
		t.Errorf("with no record but theirs: got %v, want %v", err, db.ErrSchemaDirty)
	}
}
