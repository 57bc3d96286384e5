package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/postgres"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
	"github.com/mintmark-auth/mintmark/internal/testserver"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// execute runs statements over a connection of their own.
func execute(t testing.TB, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func TestOpenNamesADatabaseThatIsDownWithoutItsPassword(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), postgres.Config{URL: "postgres://mint:hunter2@127.0.0.1:1/mintmark"})
	if !errors.Is(err, postgres.ErrUnavailable) {
		t.Fatalf("got %v, want %v", err, postgres.ErrUnavailable)
	}
	for _, word := range []string{"127.0.0.1", "mint", "refused"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q lacks %q", err, word)
		}
	}
	if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %q, want one line without the password", err)
	}
}

func TestOpenRefusesAURLThatCannotWork(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://mint:hunter2@:port/%%",
		"postgres://mint:hunter2@localhost/x?pool_max_conns=none",
		"postgres://mint:hunter2@localhost/x?default_query_exec_mode=simple_protocol",
	} {
		_, err := postgres.Open(t.Context(), postgres.Config{URL: url})
		if err == nil || errors.Is(err, postgres.ErrUnavailable) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v, want an error about the URL without the password", err)
		}
	}
}

// TestACallAfterARestartOfTheServerSucceeds has the server drop every connection
// in the pool, as a restart does, before calls that may be repeated.
func TestACallAfterARestartOfTheServerSucceeds(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	store := open(t, url)
	sessions := []string{storetest.NewSession(t, store), storetest.NewSession(t, store)}
	calls := []func(context.Context) error{
		func(ctx context.Context) error { _, err := store.SessionByID(ctx, sessions[0]); return err },
		func(ctx context.Context) error { _, err := store.Clients(ctx); return err },
		func(ctx context.Context) error { _, _, err := store.SigningKeys(ctx); return err },
		func(ctx context.Context) error {
			return store.SaveCheckpoints(ctx, []session.Checkpoint{{SessionID: sessions[0], Generation: 2}}, 0)
		},
		func(ctx context.Context) error {
			return store.AppendEvents(ctx, []audit.Event{audit.New(audit.SessionHealed, audit.ByClient("first-party"))})
		},
		func(ctx context.Context) error {
			_, err := store.RevokeSession(ctx, sessions[1], session.ReasonLogout, audit.New(audit.SessionRevoked, audit.ByUser("alice")))
			return err
		},
		store.Ping,
	}
	all := func(doing string) {
		var group sync.WaitGroup
		for range 4 { // with a pool of 8, each finds connections that were dropped
			for i, call := range calls {
				group.Go(func() {
					if err := call(t.Context()); err != nil {
						t.Errorf("%s, call %d: %v", doing, i, err)
					}
				})
			}
		}
		group.Wait()
	}
	all("before")
	for range 3 {
		execute(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		all("after")
	}
}

func TestCallsEndWhileTheNetworkIsCutAndSucceedWhenItHeals(t *testing.T) {
	t.Parallel()
	for name, breaking := range map[string]func(*testserver.Proxy){
		"reset": (*testserver.Proxy).Cut, "partition": (*testserver.Proxy).Stall,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := testserver.StartProxy(t, migrated(t))
			store := open(t, proxy.URL())
			id := storetest.NewSession(t, store)
			read := func(allowed time.Duration) error {
				ctx, cancel := context.WithTimeout(t.Context(), allowed)
				defer cancel()
				_, err := store.SessionByID(ctx, id)
				return err
			}
			const bound = 30 * time.Second // far above what is usual, for a busy machine; the figures are logged
			breaking(proxy)
			var group sync.WaitGroup
			for range 16 {
				group.Go(func() {
					begin := time.Now()
					err := read(500 * time.Millisecond)
					took := time.Since(begin)
					t.Logf("a read of the broken network ended after %s", took)
					if err == nil || took > bound {
						t.Errorf("a read of the broken network gave %v after %s", err, took)
					}
				})
			}
			group.Wait()
			proxy.Heal()
			healed := time.Now()
			for {
				err := read(time.Second)
				if err == nil {
					break
				}
				if took := time.Since(healed); took > bound {
					t.Fatalf("still %v %s after the network healed", err, took)
				}
			}
			t.Logf("back %s after the network healed", time.Since(healed))
		})
	}
}

func TestErrorsHoldNoSQL(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	store := open(t, url)
	execute(t, url, `DROP TABLE events`, `ALTER TABLE sessions RENAME COLUMN checkpoint TO gone`)
	u := user.User{ID: uuid.NewString(), Username: "alice", Email: "alice@example.com", PasswordHash: "hash"}
	_, create := store.CreateUser(t.Context(), u, audit.New(audit.UserCreated, audit.ByOperator("root")))
	_, find := store.SessionByID(t.Context(), uuid.NewString())
	for _, err := range []error{create, find} {
		if err == nil || strings.Contains(err.Error(), "INSERT") || strings.Contains(err.Error(), "SELECT") {
			t.Errorf("got %v, want an error without SQL", err)
		}
	}
	if _, err := store.UserByID(t.Context(), u.ID); !errors.Is(err, user.ErrNotFound) {
		t.Errorf("a user whose event could not be written: %v, want %v", err, user.ErrNotFound)
	}
}

// TestTheBoundaryMovesThoughTheClockIsSetBack ends sessions of a user whose
// boundary lies in the future, as it does when the server's clock was ahead.
func TestTheBoundaryMovesThoughTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	store := open(t, url)
	s, err := store.SessionByID(t.Context(), storetest.NewSession(t, store))
	if err != nil {
		t.Fatal(err)
	}
	execute(t, url, `UPDATE users SET sessions_valid_after = now() + interval '1 hour'`)
	for i := range 3 {
		before, err := store.UserByID(t.Context(), s.UserID)
		if err != nil {
			t.Fatal(err)
		}
		fresh := session.Session{ID: uuid.NewString(), Family: session.FamilyHash{byte(i)}, UserID: s.UserID, ClientID: s.ClientID}
		fresh, err = store.StartSession(t.Context(), fresh, session.Terms{Lifetime: time.Hour, Seen: before.SessionsValidAfter}, audit.New(audit.SessionStarted, audit.ByUser("alice")))
		if err != nil {
			t.Fatal(err)
		}
		if fresh.CreatedAt.Before(before.SessionsValidAfter) {
			t.Errorf("session began %s, before the boundary %s", fresh.CreatedAt, before.SessionsValidAfter)
		}
		if err := store.SetPassword(t.Context(), s.UserID, fmt.Sprint(i), audit.New(audit.UserPasswordChanged, audit.ByOperator("root"))); err != nil {
			t.Fatal(err)
		}
		after, err := store.UserByID(t.Context(), s.UserID)
		if err != nil {
			t.Fatal(err)
		}
		if !fresh.CreatedAt.Before(after.SessionsValidAfter) {
			t.Errorf("boundary went from %s to %s, session began %s", before.SessionsValidAfter, after.SessionsValidAfter, fresh.CreatedAt)
		}
	}
}
