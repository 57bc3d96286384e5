package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// TestSilenceIsNotSlowness: the network swallows all that is said, and hang-ups, too. Every call ends by its own
// deadline while its caller would wait, the sockets are closed by us, and calls on new connections succeed though the
// old ones never say another word.
func TestSilenceIsNotSlowness(t *testing.T) {
	t.Parallel()
	proxy := testserver.StartProxy(t, migrated(t))
	store := open(t, with(t, with(t, proxy.URL(), "pool_max_conns", "4"), "connect_timeout", "2"))
	id := storetest.NewSession(t, store)
	read := func() error { _, err := store.SessionByID(t.Context(), id); return err }
	const callers = 16
	all := func(do func()) {
		var group sync.WaitGroup
		for range callers {
			group.Go(do)
		}
		group.Wait()
	}
	all(func() {
		if err := read(); err != nil {
			t.Errorf("before: %v", err)
		}
	})
	if taken, most := store.Places(); taken != most {
		t.Fatalf("%d of %d connections, want all", taken, most)
	}
	proxy.Swallow()
	all(func() {
		begin := time.Now()
		err := read()
		t.Logf("a call of the silent network ended after %s", time.Since(begin))
		if !errors.Is(err, context.DeadlineExceeded) || t.Context().Err() != nil {
			t.Errorf("a call of the silent network gave %v, want that its own time is over", err)
		}
	})
	healed := time.Now()
	proxy.Heal()
	failed := 0
	for ; read() != nil; failed++ {
		if failed == 4 { // each took two seconds; pgx's own end of a connection takes fifteen
			t.Fatal("the places of silent connections are not free again")
		}
	}
	t.Logf("back %s after the network, after %d calls that failed", time.Since(healed), failed)
}

// TestAWaitForAPlaceGivesNoConnectionUp: a database that has more to do than it can is not helped by new connections.
func TestAWaitForAPlaceGivesNoConnectionUp(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	store := open(t, with(t, url, "pool_max_conns", "1"))
	id := storetest.NewSession(t, store)
	other := holdRow(t, url, id)
	ended := make(chan error, 1)
	go func() { // has the only place, and waits for the row
		_, err := store.RevokeSession(t.Context(), id, session.ReasonLogout, audit.New(audit.SessionRevoked, audit.ByUser("alice")))
		ended <- err
	}()
	awaitBlocked(t, other)
	before := store.Renewed()
	if _, err := store.SessionByID(t.Context(), id); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call without a place gave %v, want that its time is over", err)
	}
	if got := store.Renewed(); got != before {
		t.Errorf("the connections were given up %d times", got-before)
	}
	if err := other.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the call with the place: %v", err)
	}
}

// TestASlowCallGivesOnlyItsOwnConnectionUp: its row is locked, while the server answers others.
func TestASlowCallGivesOnlyItsOwnConnectionUp(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	store := open(t, with(t, url, "pool_max_conns", "3"))
	id, free := storetest.NewSession(t, store), storetest.NewSession(t, store)
	other := holdRow(t, url, id)
	defer other.Close(t.Context())
	before, ended := store.Renewed(), make(chan error, 1)
	go func() {
		_, err := store.RevokeSession(t.Context(), id, session.ReasonLogout, audit.New(audit.SessionRevoked, audit.ByUser("alice")))
		ended <- err
	}()
	for waiting := true; waiting; {
		select {
		case err := <-ended:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the slow call gave %v, want that its time is over", err)
			}
			waiting = false
		default:
			if _, err := store.SessionByID(t.Context(), free); err != nil {
				t.Errorf("a call beside it: %v", err)
			}
		}
	}
	if got := store.Renewed(); got != before {
		t.Errorf("all connections were given up %d times", got-before)
	}
}

// TestACallThatWasRefusedEndsAlthoughTheServerIsSilent: its transaction is not rolled back for ever.
func TestACallThatWasRefusedEndsAlthoughTheServerIsSilent(t *testing.T) {
	t.Parallel()
	proxy := testserver.StartProxy(t, migrated(t))
	store := open(t, proxy.URL())
	no := errors.New("no")
	ended := make(chan error, 1)
	go func() {
		ended <- store.ChangeSigningKeys(t.Context(), func([]keyring.Stored, time.Time) (keyring.Change, error) {
			proxy.Stall()
			return keyring.Change{}, no
		})
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, no) {
			t.Errorf("got %v, want %v", err, no)
		}
	case <-time.After(30 * time.Second):
		t.Error("the call does not end")
	}
	proxy.Heal()
}

// holdRow locks the row of a session from outside.
func holdRow(t *testing.T, url, id string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{`BEGIN`, `SELECT FROM sessions WHERE id = '` + id + `' FOR UPDATE`} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

// awaitBlocked returns when a call waits for what the connection holds.
func awaitBlocked(t *testing.T, holder *pgx.Conn) {
	t.Helper()
	for begin := time.Now(); ; {
		var blocked bool
		err := holder.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))`).Scan(&blocked)
		if err != nil {
			t.Fatal(err)
		}
		if blocked {
			return
		}
		if time.Since(begin) > 30*time.Second {
			t.Fatal("no call waits for the row")
		}
	}
}
