package postgres_test

import (
	"context"
	"testing"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/store/postgres"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// migrated gives the URL of a fresh, migrated database.
func migrated(tb testing.TB) string {
	tb.Helper()
	return testserver.PostgresTemplate(tb, "migrated", func(url string) error {
		database, err := db.Postgres(url)
		if err != nil {
			return err
		}
		return database.Up(context.Background())
	})
}

func open(tb testing.TB, url string) *postgres.Store {
	tb.Helper()
	store, err := postgres.Open(context.Background(), postgres.Config{URL: url, MaxConns: 8})
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

func TestUsersKeepTheContract(t *testing.T)    { t.Parallel(); storetest.Users(t, openDurable) }
func TestClientsKeepTheContract(t *testing.T)  { t.Parallel(); storetest.Clients(t, openDurable) }
func TestSessionsKeepTheContract(t *testing.T) { t.Parallel(); storetest.Sessions(t, openDurable) }
func TestKeysKeepTheContract(t *testing.T)     { t.Parallel(); storetest.Keys(t, openDurable) }
func TestAuditKeepsTheContract(t *testing.T)   { t.Parallel(); storetest.Audit(t, openDurable) }
