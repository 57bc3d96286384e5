package db_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the schemas in testdata anew")

// TestEveryVersionHasTheSchemaInTestdata: a constraint, an index, a trigger or a default
// that a migration loses is seen, whether or not anything else would notice.
func TestEveryVersionHasTheSchemaInTestdata(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		for version := 1; version <= d.latest(t); version++ {
			d.upOne(t)
			file := filepath.Join("testdata", "schema", d.dialect(t), fmt.Sprintf("%04d.txt", version))
			got := d.schema(t)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v; if version %d is finished: go test ./db -update", err, version)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("version %d has another schema than %s (-want +got); a new migration writes it by go test ./db -update:\n%s", version, file, diff)
			}
		}
	})
}

// TestEveryWayDownGivesBackTheSchemaBefore, with rows in all tables, and keeps every row
// of the tables that stay.
func TestEveryWayDownGivesBackTheSchemaBefore(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		latest := d.latest(t)
		d.upOne(t) // makes the table of golang-migrate too, which stays
		d.down(t, 1)
		before := []string{d.schema(t)}
		for version := 1; version <= latest; version++ {
			d.upOne(t)
			before = append(before, d.schema(t))
		}
		d.fill(t)
		for version := latest; version > 0; version-- {
			rows := d.rows(t)
			d.down(t, 1)
			if diff := cmp.Diff(strings.Split(before[version-1], "\n"), strings.Split(d.schema(t), "\n")); diff != "" {
				t.Fatalf("down from version %d (-version before +after down):\n%s", version, diff)
			}
			for table, kept := range d.rows(t) {
				if kept != rows[table] {
					t.Errorf("down from version %d: %s has %d rows, want %d as before", version, table, kept, rows[table])
				}
			}
			if version == 1 {
				break
			}
			d.upOne(t)
			if diff := cmp.Diff(strings.Split(before[version], "\n"), strings.Split(d.schema(t), "\n")); diff != "" {
				t.Fatalf("down from version %d and up again (-before +after):\n%s", version, diff)
			}
			d.down(t, 1)
		}
		d.up(t)
		if diff := cmp.Diff(strings.Split(before[latest], "\n"), strings.Split(d.schema(t), "\n")); diff != "" {
			t.Errorf("all the way down and up again (-before +after):\n%s", diff)
		}
	})
}

// TestTheWayDownEndsSessionsThatWouldGrantMore than they were granted, and no other.
func TestTheWayDownEndsSessionsThatWouldGrantMore(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		d.up(t)
		if err := d.insert(t, "users", good("users", 0)); err != nil {
			t.Fatal(err)
		}
		for n, own := range []row{
			{}, {"origin": "code", "acr": "1", "auth_time": at(1), "amr": []string{"pwd"}},
			{"scope": "read"}, {"resources": []string{"https://a.example"}}, {"jkt": make([]byte, 32)}, {"refreshable": false},
		} {
			if err := d.insert(t, "sessions", good("sessions", n).with(own)); err != nil {
				t.Fatal(err)
			}
		}
		d.down(t, d.latest(t)-3)
		got := d.lines(t, `SELECT id FROM sessions WHERE revoked_at IS NULL AND revoke_reason IS NULL ORDER BY id`)
		want := []string{id(0), id(1)}
		if !slices.Equal(got, want) {
			t.Errorf("live after the way down: %v, want %v", got, want)
		}
	})
}

func TestOneStepCanMigrateAllTheWayDown(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		d.upOne(t)
		d.down(t, 1)
		empty := d.schema(t)
		d.up(t).fill(t)
		d.down(t, d.latest(t))
		if diff := cmp.Diff(empty, d.schema(t)); diff != "" {
			t.Errorf("down left something behind:\n%s", diff)
		}
		if status := d.status(t); status.Version != 0 {
			t.Errorf("version %d, want 0", status.Version)
		}
		if err := d.up(t).Up(t.Context()); err != nil {
			t.Errorf("a second up: %v", err)
		}
	})
}

// TestTheFirstPartyClientIsMadeNow: its time is in the unit of its dialect.
func TestTheFirstPartyClientIsMadeNow(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		begun := time.Now().Add(-2 * time.Second) // SQLite knows the second, and Postgres may have a clock of its own
		d.up(t)
		query := `SELECT cast(created_at AS text) FROM clients`
		if !d.isSQLite(t) {
			query = `SELECT (extract(epoch FROM created_at) * 1000000)::bigint::text FROM clients`
		}
		var micros int64
		if _, err := fmt.Sscan(d.lines(t, query)[0], &micros); err != nil {
			t.Fatal(err)
		}
		if made := time.UnixMicro(micros); made.Before(begun) || made.After(time.Now().Add(2*time.Second)) {
			t.Errorf("made at %v, want about %v", made, begun)
		}
	})
}

func (d target) dialect(t *testing.T) string {
	t.Helper()
	if d.isSQLite(t) {
		return "sqlite"
	}
	return "postgres"
}

// schema is everything there is but the rows of people: a line for each fact, in order.
func (d target) schema(t *testing.T) string {
	t.Helper()
	queries := postgresFacts
	if d.isSQLite(t) {
		queries = sqliteFacts
	}
	var facts []string
	for _, query := range queries {
		facts = append(facts, slices.Sorted(slices.Values(d.lines(t, query)))...) // here, since each server has an order of its own
	}
	for _, table := range d.tables(t) {
		switch table {
		case "schema_compat":
			facts = append(facts, d.lines(t, records)...)
		case "clients":
			facts = append(facts, d.lines(t, firstParty)...)
		}
	}
	return strings.Join(facts, "\n") + "\n"
}

const records = `SELECT 'record of version ' || version || ': oldest_binary ' || oldest_binary FROM schema_compat ORDER BY version`

const firstParty = `SELECT 'client ' || concat_ws(', ', id, name, kind, cast(grant_types AS text), rotation, cast(allow_skip AS text),
	coalesce(grace, -1), coalesce(idle_ttl, -1), coalesce(max_ttl, -1), coalesce(cast(disabled_at AS text), 'enabled')) FROM clients WHERE id = 'first-party'`

// rows counts the rows of each table of ours but schema_compat.
func (d target) rows(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, table := range d.tables(t) {
		if table == "schema_compat" {
			continue
		}
		var n int
		if err := d.sql.QueryRowContext(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		counts[table] = n
	}
	return counts
}

// tables lists the tables, but for golang-migrate's own.
func (d target) tables(t *testing.T) []string {
	t.Helper()
	if d.isSQLite(t) {
		return d.lines(t, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'schema_migrations' ORDER BY 1`)
	}
	return d.lines(t, `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'schema_migrations' ORDER BY 1`)
}
