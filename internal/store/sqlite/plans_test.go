package sqlite_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
)

// fill makes the database large enough that it matters how rows are found.
func fill(execute func(statements ...string)) {
	execute(
		`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
			INSERT INTO clients (id, name, kind, grant_types, rotation, allow_skip, created_at)
			SELECT 'client' || i, 'a client', 'public', '[]', 'always', 0, 1 FROM n`,
		`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
			INSERT INTO users (id, username, username_canonical, email, email_canonical, password_hash, created_at, sessions_valid_after)
			SELECT printf('%08x-0000-7000-8000-000000000000', i), 'u' || i, 'u' || i, 'e' || i, 'e' || i, 'hash', 1, 1 FROM n`,
		`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
			INSERT INTO sessions (family, id, user_id, client_id, created_at, absolute_expiry, checkpoint, last_seen_at,
				address, user_agent, status_index, revoked_at, revoke_reason)
			SELECT randomblob(16), printf('%08x-0000-7000-8000-000000000000', i), printf('%08x-0000-7000-8000-000000000000', 1 + i % 2000),
				'client' || (1 + i % 50), 1, 9e15, 1, 9e14, '192.0.2.7', 'curl/8', CASE WHEN i % 2 = 0 THEN 1000 + i END,
				CASE WHEN i % 3 = 0 THEN i END, CASE WHEN i % 3 = 0 THEN 'logout' END FROM n`,
		`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
			INSERT INTO audit_events (id, at, kind, actor, user_id, session_id, request_id)
			SELECT printf('%08x-0000-7000-8000-000000000000', i), i, 'session.started', 'user',
				CASE WHEN i % 4 > 0 THEN 'user' || i % 500 END, CASE WHEN i % 4 > 1 THEN 'session' || i % 900 END,
				CASE WHEN i % 4 > 2 THEN 'request' || i END FROM n`,
		`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
			INSERT INTO events (id, at, kind, actor, user_id, session_id, request_id)
			SELECT CAST(printf('%016d', i) AS BLOB), i, 'session.started', 'self',
				CASE WHEN i % 4 > 0 THEN CAST(printf('%016d', i % 500) AS BLOB) END, CASE WHEN i % 4 > 1 THEN CAST(printf('%016d', i % 900) AS BLOB) END,
				CASE WHEN i % 4 > 2 THEN 'request' || i END FROM n`,
		`ANALYZE`)
}

// TestEveryIndexIsUsed explains what the store sends, call by call, in a database of
// 10⁴ rows each: the plans are those of testdata/plans.txt, and no index that a
// migration makes is there for nothing.
func TestEveryIndexIsUsed(t *testing.T) {
	t.Parallel()
	file := migrated(t)
	fill(byHand(t, file))
	recorder, driver := startRecorder(t)
	store, err := sqlite.OpenThrough(t.Context(), driver, sqlite.Config{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	handle, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { handle.Close() })
	var plans strings.Builder
	for _, call := range storetest.Calls(t, store) {
		do := call.Prepare(t, store)
		recorder.take()
		if err := do(t.Context()); err != nil {
			t.Errorf("%s: %v", call.Name, err)
		}
		for _, s := range recorder.take() {
			for _, step := range column(t, handle, `EXPLAIN QUERY PLAN `+s.text, s.args...) {
				fmt.Fprintf(&plans, "%s: %s\n", call.Name, step)
			}
		}
	}
	want, err := os.ReadFile("testdata/plans.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(plans.String(), "\n"), strings.Split(string(want), "\n")); diff != "" {
		t.Errorf("plans (-got +want):\n%s", diff)
	}
	for _, index := range column(t, handle, `SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name <> 'schema_migrations'`) {
		if !regexp.MustCompile(` INDEX ` + index + `\b`).MatchString(plans.String()) {
			t.Errorf("no call uses the index %s", index)
		}
	}
}

// column gives the last column of what a query finds.
func column(tb testing.TB, handle *sql.DB, query string, args ...any) []string {
	tb.Helper()
	rows, err := handle.QueryContext(tb.Context(), query, args...)
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		tb.Fatal(err)
	}
	var found []string
	for rows.Next() {
		var last string
		columns := make([]any, len(names))
		for i := range columns {
			columns[i] = new(any)
		}
		columns[len(columns)-1] = &last
		if err := rows.Scan(columns...); err != nil {
			tb.Fatal(err)
		}
		found = append(found, last)
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	return found
}
