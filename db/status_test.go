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
	const look = "; see whether that is so, then run `mintmark migrate force %d` and `mintmark migrate up`"
	brokeOff := func(to, whole int) string {
		return fmt.Sprintf("%v: the way to version %d broke off, and by its records it is whole at version %d"+look, db.ErrSchemaDirty, to, whole, whole)
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
	const latest = 4 // as in the statements below
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
		{"its version forgotten", after(`DELETE FROM schema_migrations`), db.ErrSchemaBehind, behind(0, latest)},
		{"broken off, done", after(`UPDATE schema_migrations SET dirty = true`), db.ErrSchemaDirty, brokeOff(latest, latest)},
		{"broken off on the way down", after(`UPDATE schema_migrations SET version = 2, dirty = true`), db.ErrSchemaDirty, brokeOff(2, latest)},
		{"broken off on the way up", after(`UPDATE schema_migrations SET dirty = true`, `DELETE FROM schema_compat WHERE version = 4`), db.ErrSchemaDirty, brokeOff(latest, 3)},
		{"broken off at first", after(`UPDATE schema_migrations SET version = 1, dirty = true`, `DROP TABLE schema_compat`), db.ErrSchemaDirty, brokeOff(1, 0)},
		{"broken off at last", after(`UPDATE schema_migrations SET version = -1, dirty = true`), db.ErrSchemaDirty, brokeOff(0, latest)},
		{"forced to what is not there", after(`DELETE FROM schema_compat`), db.ErrSchemaDirty, claims(latest, 0)},
		{"forced one too far", after(`DELETE FROM schema_compat WHERE version = 4`), db.ErrSchemaDirty, claims(latest, 3)},
		{"forced below what is there", after(`UPDATE schema_migrations SET version = 2`), db.ErrSchemaDirty, claims(2, latest)},
		{"newer, and serves this one just so", newer(`INSERT INTO schema_compat VALUES (1001, 4)`), nil, ""},
		{"newer by one, which this one does not know", newer(`INSERT INTO schema_compat VALUES (1001, 5)`), db.ErrSchemaTooNew, tooNew(1001, 5, latest)},
		{"newer, with one between that does not serve this one", newer(`INSERT INTO schema_compat VALUES (1000, 1000), (1001, 999)`), db.ErrSchemaTooNew, tooNew(1001, 1000, latest)},
		{"newer and broken off", newer(`INSERT INTO schema_compat VALUES (1001, 1)`, `UPDATE schema_migrations SET dirty = true`), db.ErrSchemaDirty, brokeOff(1001, 1001)},
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
		return []db.Migration{{1, "foundation", applied[0]}, {2, "keys_stay_revoked", applied[1]}, {3, "status_lists", applied[2]}, {4, "grants", applied[3]}}
	}
	onBoth(t, func(t *testing.T, d target) {
		for _, c := range []struct {
			setup func()
			want  db.Status
			says  string
		}{
			{func() {}, db.Status{Latest: 4, Migrations: list(false, false, false, false)}, "schema version 0 of 4"},
			{func() { d.upOne(t) }, db.Status{Version: 1, Latest: 4, OldestBinary: 1, Recorded: 1, Migrations: list(true, false, false, false)}, "schema version 1 of 4"},
			{func() { d.up(t) }, db.Status{Version: 4, Latest: 4, OldestBinary: 1, Recorded: 4, Migrations: list(true, true, true, true)}, "schema version 4 of 4"},
			{
				func() {
					d.exec(t, `UPDATE schema_migrations SET version = 2, dirty = true`, `UPDATE schema_compat SET oldest_binary = 2 WHERE version = 2`)
				},
				db.Status{Version: 2, Latest: 4, OldestBinary: 2, Dirty: true, Recorded: 4, Migrations: list(true, false, false, false)}, "schema version 2 of 4, dirty",
			},
			{
				func() { d.exec(t, `UPDATE schema_migrations SET version = 9, dirty = false`) },
				db.Status{Version: 9, Latest: 4, OldestBinary: 2, Recorded: 4, Migrations: list(true, true, true, true)}, "schema version 9 of 4",
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
