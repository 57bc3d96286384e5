package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/store/postgres"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// keepTheContract holds stores to the whole contract whose URL is changed from one that leads to the server itself.
func keepTheContract(t *testing.T, change func(tb testing.TB, url string) string) {
	durable := func(tb testing.TB) storetest.Durable { return open(tb, change(tb, migrated(tb))) }
	aged := func(tb testing.TB) (storetest.Durable, storetest.Ageing) {
		url := migrated(tb)
		return open(tb, change(tb, url)), ageing(url)
	}
	withClock := func(tb testing.TB) storetest.Clocked {
		url := migrated(tb)
		putClock(tb, url)
		config, err := pgx.ParseConfig(url)
		if err != nil {
			tb.Fatal(err)
		}
		execute(tb, url, `ALTER DATABASE `+config.Database+` SET search_path = tests, pg_catalog, public`) // a pooler takes none
		return clocked(open(tb, change(tb, url)), url)
	}
	t.Run("users", func(t *testing.T) { t.Parallel(); storetest.Users(t, durable) })
	t.Run("clients", func(t *testing.T) { t.Parallel(); storetest.Clients(t, durable) })
	t.Run("changes", func(t *testing.T) { t.Parallel(); storetest.ClientChanges(t, withClock) })
	t.Run("sessions", func(t *testing.T) { t.Parallel(); storetest.Sessions(t, durable) })
	t.Run("statuses", func(t *testing.T) { t.Parallel(); storetest.Statuses(t, aged) })
	t.Run("keys", func(t *testing.T) { t.Parallel(); storetest.Keys(t, durable) })
	t.Run("clocks", func(t *testing.T) { t.Parallel(); storetest.Clocks(t, withClock) })
	t.Run("audit", func(t *testing.T) { t.Parallel(); storetest.Audit(t, durable) })
}

// TestAStoreBehindAPoolerKeepsTheContract with nothing in its URL that says so: a PgBouncer in transaction mode, which
// forgets what was prepared. It has the statements run by cache_describe.
func TestAStoreBehindAPoolerKeepsTheContract(t *testing.T) {
	t.Parallel()
	through := testserver.StartPgBouncer(t, testserver.Postgres(t))
	keepTheContract(t, func(_ testing.TB, url string) string { return through(url) })
}

// TestEveryWayToRunStatementsKeepsTheContract that a URL can choose: cache_statement is the default of the other tests,
// and cache_describe that of a pooler.
func TestEveryWayToRunStatementsKeepsTheContract(t *testing.T) {
	t.Parallel()
	keepTheContract(t, func(tb testing.TB, url string) string {
		return with(tb, url, "default_query_exec_mode", "describe_exec")
	})
}

// TestWhatAPoolerCannotCarryIsRefusedWithTheMend.
func TestWhatAPoolerCannotCarryIsRefusedWithTheMend(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	through := testserver.StartPgBouncer(t, url)
	for _, c := range []struct {
		name, value string
		refused     error
		mend        string
	}{
		{"default_query_exec_mode", "cache_statement", postgres.ErrPooler, "cache_describe"},
		{"default_query_exec_mode", "describe_exec", postgres.ErrPooler, "cache_describe"},
		{"default_query_exec_mode", "cache_describe", nil, ""},
		{"description_cache_capacity", "0", nil, ""},
		{"statement_timeout", "5s", postgres.ErrUnavailable, "ignore_startup_parameters"},
		{"application_name", "mintmark", nil, ""},
	} {
		store, err := postgres.Open(t.Context(), postgres.Config{URL: with(t, through(url), c.name, c.value)})
		if !errors.Is(err, c.refused) || err != nil && !strings.Contains(err.Error(), c.mend) {
			t.Errorf("%s=%s: %v, want %v and %q", c.name, c.value, err, c.refused, c.mend)
		}
		if err == nil {
			_, err = store.Clients(t.Context())
			if err := errors.Join(err, store.Close()); err != nil {
				t.Errorf("%s=%s: %v", c.name, c.value, err)
			}
		}
	}
}
