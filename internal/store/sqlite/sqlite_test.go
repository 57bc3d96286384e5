package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
)

// migrated gives the file of a fresh, migrated database: a copy of the first one.
func migrated(tb testing.TB) string {
	tb.Helper()
	fresh, err := template()
	if err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(tb.TempDir(), "mint mark?.db")
	if err := os.WriteFile(file, fresh, 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "mintmark-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "template.db")
	if err := db.SQLite(file).Up(context.Background()); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})

func open(tb testing.TB, file string) *sqlite.Store {
	tb.Helper()
	store, err := sqlite.Open(context.Background(), sqlite.Config{Path: file})
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
	file := migrated(tb)
	execute := byHand(tb, file)
	return open(tb, file), func(tb testing.TB, id string, by time.Duration) {
		execute(fmt.Sprintf(`UPDATE sessions SET created_at = created_at - %[1]d, last_seen_at = last_seen_at - %[1]d,
			absolute_expiry = absolute_expiry - %[1]d, revoked_at = revoked_at - %[1]d WHERE id = '%[2]s'`, by.Microseconds(), id))
	}
}

func openClocked(tb testing.TB) storetest.Clocked {
	var now atomic.Pointer[time.Time]
	now.Store(new(time.Unix(0, 0)))
	file := migrated(tb)
	store, err := sqlite.Open(context.Background(), sqlite.Config{Path: file, Now: func() time.Time { return *now.Load() }})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { store.Close() })
	execute := byHand(tb, file)
	return storetest.Clocked{
		Durable:  store,
		Set:      func(_ testing.TB, at time.Time) { now.Store(&at) },
		Execute:  func(tb testing.TB, statement string) { execute(statement) },
		SameTime: func(testing.TB) { execute(`UPDATE clients SET changed_at = 1`) },
		Userless: func(testing.TB) { // the table that is made and dropped has the store read the schema anew
			execute(`PRAGMA writable_schema = ON;
				UPDATE sqlite_schema SET sql = replace(sql, 'user_id          TEXT NOT NULL', 'user_id          TEXT') WHERE name = 'sessions';
				PRAGMA writable_schema = RESET; CREATE TABLE anew (x); DROP TABLE anew`)
		},
	}
}

func openStates(tb testing.TB) (session.States, func(testing.TB) string) {
	store := open(tb, migrated(tb))
	return store, func(tb testing.TB) string { return storetest.NewSession(tb, store) }
}

func TestUsersKeepTheContract(t *testing.T)    { t.Parallel(); storetest.Users(t, openDurable) }
func TestClientsKeepTheContract(t *testing.T)  { t.Parallel(); storetest.Clients(t, openDurable) }
func TestChangesKeepTheContract(t *testing.T)  { t.Parallel(); storetest.ClientChanges(t, openClocked) }
func TestSessionsKeepTheContract(t *testing.T) { t.Parallel(); storetest.Sessions(t, openDurable) }
func TestStatusesKeepTheContract(t *testing.T) { t.Parallel(); storetest.Statuses(t, openAgeing) }
func TestKeysKeepTheContract(t *testing.T)     { t.Parallel(); storetest.Keys(t, openDurable) }
func TestAuditKeepsTheContract(t *testing.T)   { t.Parallel(); storetest.Audit(t, openDurable) }
func TestClocksKeepTheContract(t *testing.T)   { t.Parallel(); storetest.Clocks(t, openClocked) }
func TestStatesKeepTheContract(t *testing.T)   { t.Parallel(); storetest.States(t, openStates) }
func TestStatesReplayHistories(t *testing.T)   { storetest.StatesHistory(t, openStates) }

func BenchmarkDirectory(b *testing.B) { storetest.BenchmarkDirectory(b, openClocked(b)) }

func TestSessionsThatWereOverLongAgoAreRemoved(t *testing.T) {
	t.Parallel()
	store, age := openAgeing(t)
	storetest.SweptSessions(t, store, age)
}
