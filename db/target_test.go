package db_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-migrate/migrate/v4"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// TestMain takes golang-migrate's patience away, so that what relies on it is seen.
func TestMain(m *testing.M) {
	if place := os.Getenv(dyingAt); place != "" {
		die(place)
	}
	migrate.DefaultLockTimeout = time.Millisecond
	m.Run()
}

// target is one empty database and a way to meddle with it.
type target struct {
	*db.Database
	sql *sql.DB
	url string // of Postgres
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
	return target{Database: database, sql: handle, url: dsn}
}

func postgres(t *testing.T) target {
	t.Helper()
	place := testserver.Postgres(t)
	database, err := db.Postgres(place)
	if err != nil {
		t.Fatal(err)
	}
	return openTarget(t, "pgx/v5", place, database)
}

// another is an empty place of the same kind: on Postgres a schema of the same
// database, which is made sooner than a database.
func (d target) another(t *testing.T) target {
	t.Helper()
	if d.isSQLite(t) {
		return sqlite(t)
	}
	name := "place" + d.lines(t, `SELECT count(*)::text FROM pg_namespace`)[0]
	d.exec(t, `CREATE SCHEMA `+name)
	place, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	query := place.Query()
	query.Set("search_path", name)
	place.RawQuery = query.Encode()
	database, err := db.Postgres(place.String())
	if err != nil {
		t.Fatal(err)
	}
	return openTarget(t, "pgx/v5", place.String(), database)
}

func sqlite(t *testing.T) target {
	t.Helper()
	file := filepath.Join(t.TempDir(), "odd name?#%.db")
	escaped := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23", " ", "%20").Replace(file)
	return openTarget(t, "sqlite", "file:"+escaped+"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)", db.SQLite(file))
}

func (d target) isSQLite(t *testing.T) bool {
	return d.sql.QueryRowContext(t.Context(), `SELECT sqlite_version()`).Scan(new(string)) == nil
}

// latest is the last migration there is.
func (d target) latest(t *testing.T) int {
	t.Helper()
	return d.status(t).Latest
}

func (d target) status(t *testing.T) db.Status {
	t.Helper()
	status, err := d.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// upOne applies the next migration.
func (d target) upOne(t *testing.T) {
	t.Helper()
	if err := d.UpOne(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (d target) down(t *testing.T, n int) {
	t.Helper()
	if err := d.Down(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// lines reads a query whose rows are one text each.
func (d target) lines(t *testing.T, query string) []string {
	t.Helper()
	rows, err := d.sql.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return lines
}

// limit is how long one step of a test may take, however busy the machine is.
const limit = 30 * time.Second

// onBoth runs a test on an empty database of each dialect.
func onBoth(t *testing.T, test func(*testing.T, target)) {
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, postgres(t)) })
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, sqlite(t)) })
}

// obey does as an error says: it forces the version that it names.
func (d target) obey(t *testing.T, err error) {
	t.Helper()
	_, rest, found := strings.Cut(err.Error(), "`mintmark migrate force ")
	var version int
	if _, scanned := fmt.Sscanf(rest, "%d`", &version); !found || scanned != nil {
		t.Fatalf("%v names no version to force", err)
	}
	if err := d.Force(t.Context(), version); err != nil {
		t.Fatal(err)
	}
}
