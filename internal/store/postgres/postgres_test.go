package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/store/postgres"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// migrated gives the URL of a fresh, migrated database.
func migrated(tb testing.TB) string {
	tb.Helper()
	return with(tb, testserver.PostgresTemplate(tb, "migrated", func(url string) error {
		database, err := db.Postgres(url)
		if err != nil {
			return err
		}
		return database.Up(context.Background())
	}), "connect_timeout", "30") // on a busy machine
}

func open(tb testing.TB, url string) *postgres.Store {
	tb.Helper()
	if !strings.Contains(url, "pool_max_conns") {
		url = with(tb, url, "pool_max_conns", "8")
	}
	store, err := postgres.Open(context.Background(), postgres.Config{URL: url})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := store.Close(); err != nil {
			tb.Error(err)
		}
	})
	return store
}

func openDurable(tb testing.TB) storetest.Durable { return open(tb, migrated(tb)) }

func openAgeing(tb testing.TB) (storetest.Durable, storetest.Ageing) {
	url := migrated(tb)
	return open(tb, url), ageing(url)
}

// ageing makes sessions older in the database at a URL.
func ageing(url string) storetest.Ageing {
	return func(tb testing.TB, id string, by time.Duration) {
		execute(tb, url, fmt.Sprintf(`UPDATE sessions SET created_at = created_at - d, last_seen_at = last_seen_at - d,
			absolute_expiry = absolute_expiry - d, revoked_at = revoked_at - d
			FROM (SELECT %d * interval '1 microsecond' AS d) x WHERE id = '%s'`, by.Microseconds(), id))
	}
}

func openClocked(tb testing.TB) storetest.Clocked {
	url := migrated(tb)
	putClock(tb, url)
	return clocked(open(tb, with(tb, url, "search_path", "tests,pg_catalog,public")), url)
}

// putClock makes a clock that can stand before the server's own, by the order of the schemas.
func putClock(tb testing.TB, url string) {
	tb.Helper()
	execute(tb, url, `CREATE SCHEMA tests`, `CREATE TABLE tests.clock (shows timestamptz)`, `INSERT INTO tests.clock VALUES (now())`,
		`CREATE FUNCTION tests.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT shows FROM tests.clock'`)
}

// clocked is a store whose clock has been put at a URL that leads to the server itself.
func clocked(store *postgres.Store, url string) storetest.Clocked {
	return storetest.Clocked{
		Durable: store,
		Set: func(tb testing.TB, at time.Time) {
			execute(tb, url, `UPDATE tests.clock SET shows = '`+at.Format(time.RFC3339Nano)+`'`)
		},
		Execute:  func(tb testing.TB, statement string) { execute(tb, url, statement) },
		Userless: func(tb testing.TB) { execute(tb, url, `ALTER TABLE sessions ALTER COLUMN user_id DROP NOT NULL`) },
		SameTime: func(tb testing.TB) {
			execute(tb, url, `ALTER TABLE clients DISABLE TRIGGER clients_note_change`, `UPDATE clients SET changed_at = now()`,
				`ALTER TABLE clients ENABLE TRIGGER clients_note_change`)
		},
	}
}

// with sets a parameter of a database's URL.
func with(tb testing.TB, database, key, value string) string {
	tb.Helper()
	u, err := url.Parse(database)
	if err != nil {
		tb.Fatal(err)
	}
	query := u.Query()
	query.Set(key, value)
	u.RawQuery = query.Encode()
	return u.String()
}

func TestUsersKeepTheContract(t *testing.T)    { t.Parallel(); storetest.Users(t, openDurable) }
func TestClientsKeepTheContract(t *testing.T)  { t.Parallel(); storetest.Clients(t, openDurable) }
func TestChangesKeepTheContract(t *testing.T)  { t.Parallel(); storetest.ClientChanges(t, openClocked) }
func TestSessionsKeepTheContract(t *testing.T) { t.Parallel(); storetest.Sessions(t, openDurable) }
func TestStatusesKeepTheContract(t *testing.T) { t.Parallel(); storetest.Statuses(t, openAgeing) }
func TestKeysKeepTheContract(t *testing.T)     { t.Parallel(); storetest.Keys(t, openDurable) }
func TestClocksKeepTheContract(t *testing.T)   { t.Parallel(); storetest.Clocks(t, openClocked) }
func TestAuditKeepsTheContract(t *testing.T)   { t.Parallel(); storetest.Audit(t, openDurable) }

// TestTheSchemaKeepsRevokedKeysRevoked holds hands that write SQL themselves to it.
func TestTheSchemaKeepsRevokedKeysRevoked(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	store := open(t, url)
	storetest.AddRevokedKey(t, store)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range []string{
		`UPDATE signing_keys SET revoked_at = NULL`, `UPDATE signing_keys SET revoked_at = revoked_at + interval '1 hour'`,
		`UPDATE signing_keys SET activates_at = activates_at + interval '1 hour'`, `UPDATE signing_keys SET public = 'x'`,
		`UPDATE signing_keys SET sealed = 'x'`, `UPDATE signing_keys SET kid = reverse(kid)`, `DELETE FROM signing_keys`, `TRUNCATE signing_keys`,
	} {
		if _, err := conn.Exec(t.Context(), statement); err == nil {
			t.Errorf("%s: no error", statement)
		}
	}
	if _, err := conn.Exec(t.Context(), `UPDATE signing_keys SET activates_at = activates_at - interval '1 microsecond'`); err != nil {
		t.Errorf("a turn is not moved to an earlier time: %v", err)
	}
}

func BenchmarkDirectory(b *testing.B) { storetest.BenchmarkDirectory(b, openClocked(b)) }

func TestSessionsThatWereOverLongAgoAreRemoved(t *testing.T) {
	t.Parallel()
	store, age := openAgeing(t)
	storetest.SweptSessions(t, store, age)
}
