package sqlite_test

import (
	"database/sql"
	"net/url"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
)

// byHand opens the database of a store to write SQL by hand.
func byHand(tb testing.TB, file string) func(statements ...string) {
	tb.Helper()
	handle, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?_pragma=busy_timeout(5000)")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := handle.Close(); err != nil {
			tb.Error(err)
		}
	})
	return func(statements ...string) {
		tb.Helper()
		for _, statement := range statements {
			if _, err := handle.ExecContext(tb.Context(), statement); err != nil {
				tb.Fatalf("%s: %v", statement, err)
			}
		}
	}
}

// openBreakable breaks a foreign key at each change, and SQLite looks at it when the
// change is to be committed.
func openBreakable(tb testing.TB) storetest.Breakable {
	file := migrated(tb)
	execute := byHand(tb, file)
	execute(`CREATE TABLE broken (user_id TEXT REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED)`)
	store := open(tb, file)
	var breaks, heals []string
	for _, table := range []string{"users", "clients", "sessions", "signing_keys", "audit_events", "events"} {
		for _, change := range []string{"INSERT", "UPDATE", "DELETE"} {
			name := "breaks_" + table + "_" + change
			breaks = append(breaks, `CREATE TRIGGER `+name+` AFTER `+change+` ON `+table+` BEGIN INSERT INTO broken VALUES ('nobody'); END`)
			heals = append(heals, `DROP TRIGGER `+name)
		}
	}
	return storetest.Breakable{
		Durable: store, Look: store,
		Break: func(testing.TB) { execute(breaks...) },
		Heal:  func(testing.TB) { execute(heals...) },
	}
}

func TestAFailedCommitIsNeverSuccess(t *testing.T) {
	t.Parallel()
	storetest.Commits(t, openBreakable)
}

// TestEveryDurableWriteIsFlushed takes the handle away that doesn't flush
// ([TestDurableWritesAreFlushedAndRotationsAreNot] knows which one that is).
func TestEveryDurableWriteIsFlushed(t *testing.T) {
	t.Parallel()
	storetest.Durably(t, openDurable, func(tb testing.TB, store storetest.Durable) {
		if err := store.(*sqlite.Store).CloseRotation(); err != nil {
			tb.Fatal(err)
		}
	})
}

func TestAFailedStatementIsNeverSuccess(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]fault{"refused": refused, "broken off": brokenOff, "unreadable": unreadable} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Faults(t, func(tb testing.TB) storetest.Faulty {
				recorder, driver := startRecorder(tb)
				file := migrated(tb)
				store, err := sqlite.OpenThrough(tb.Context(), driver, sqlite.Config{Path: file})
				if err != nil {
					tb.Fatal(err)
				}
				tb.Cleanup(func() { store.Close() })
				faulty := storetest.Faulty{Durable: store, Fail: func(n int) { recorder.fail(how, n) }, Heal: recorder.heal, Spares: how.spares}
				if how == refused { // once is enough
					faulty.Look = open(tb, file)
				}
				return faulty
			})
		})
	}
}
