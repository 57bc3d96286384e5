package postgres_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/postgres"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// pair is a primary and its standby, and a store whose URL names both.
type pair struct {
	primary, standby *testserver.Server
	store            *postgres.Store
}

func startPair(t *testing.T) pair {
	t.Helper()
	p := pair{primary: testserver.StartPostgres(t)}
	database, err := db.Postgres(p.primary.URL())
	if err != nil {
		t.Fatal(err)
	}
	if err := database.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.standby = testserver.StartStandby(t, p.primary)
	p.store = open(t, both(t, p.standby, p.primary)) // the one that takes no writes comes first
	return p
}

// both is the URL of two servers.
func both(tb testing.TB, one, other *testserver.Server) string {
	tb.Helper()
	u, err := url.Parse(one.URL())
	if err != nil {
		tb.Fatal(err)
	}
	u.Host += "," + other.Addr()
	return u.String()
}

// await asks until what is asked for succeeds.
func await(tb testing.TB, what string, ask func() error) {
	tb.Helper()
	const bound = 30 * time.Second // far above what is usual, for a busy machine
	for began := time.Now(); ; {
		err := ask()
		if err == nil {
			tb.Logf("%s after %s", what, time.Since(began))
			return
		}
		if time.Since(began) > bound {
			tb.Fatalf("%s: still %v after %s", what, err, bound)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-tb.Context().Done():
			tb.Fatal(tb.Context().Err())
		}
	}
}

// fresh starts a session, as a login does.
func fresh(ctx context.Context, store *postgres.Store, like session.Session) error {
	u, err := store.UserByID(ctx, like.UserID)
	if err != nil {
		return err
	}
	like.ID = uuid.NewString()
	copy(like.Family[:], like.ID)
	_, err = store.StartSession(ctx, like, session.Terms{Lifetime: time.Hour, Seen: u.SessionsValidAfter}, audit.New(audit.SessionStarted, audit.ByUser("alice")))
	return err
}

// TestAPromotedStandbyIsFoundByTheNextCalls, and the old primary, which takes no writes any more,
// is not used again: neither when it comes back nor when it never went and its connections live on.
func TestAPromotedStandbyIsFoundByTheNextCalls(t *testing.T) {
	t.Parallel()
	for name, demote := range map[string]func(*testserver.Server){
		"the old one was killed": func(old *testserver.Server) {
			old.Kill()
			old.Demote()
			old.Start()
		},
		"the old one lives on": func(old *testserver.Server) { setReadOnly(t, old.URL(), "on") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t)
			known, err := p.store.SessionByID(t.Context(), storetest.NewSession(t, p.store))
			if err != nil {
				t.Fatal(err)
			}
			await(t, "the standby has all", func() error { return follows(t, p) })
			heard := listenOn(t, p.store)
			await(t, "a notice of the primary", func() error { return notify(t, p.primary.URL(), heard) })
			demote(p.primary)
			execute(t, p.standby.URL(), `SELECT pg_promote()`)
			await(t, "a login", func() error { return fresh(t.Context(), p.store, known) })
			await(t, "a notice of the new primary", func() error { return notify(t, p.standby.URL(), heard) })
			for range 20 {
				if err := fresh(t.Context(), p.store, known); err != nil {
					t.Fatalf("a later login: %v", err)
				}
				if _, err := p.store.StandingByID(t.Context(), known.ID); err != nil {
					t.Fatalf("a later refresh: %v", err)
				}
			}
		})
	}
}

// listenOn awaits notices until the test ends, as a replica does, and tells of each.
func listenOn(t *testing.T, store *postgres.Store) (heard chan struct{}) {
	t.Helper()
	heard = make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if store.AwaitSigningKeys(ctx) == nil {
				select {
				case heard <- struct{}{}:
				default:
				}
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return heard
}

// notify is nil when a notice of the server at a URL was heard.
func notify(t *testing.T, url string, heard chan struct{}) error {
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	select {
	case <-heard: // of an earlier one
	default:
	}
	if _, err := conn.Exec(t.Context(), `SELECT pg_notify('mintmark_signing_keys', '')`); err != nil {
		return err
	}
	select {
	case <-heard:
		return nil
	case <-time.After(500 * time.Millisecond):
		return errors.New("the notice is not heard")
	}
}

// setReadOnly has a server take writes or not, as its operator or its provider would.
func setReadOnly(tb testing.TB, url, on string) {
	tb.Helper()
	execute(tb, url, `ALTER SYSTEM SET default_transaction_read_only = `+on, `SELECT pg_reload_conf()`)
}

// follows is nil when the standby has all that the primary has.
func follows(t *testing.T, p pair) error {
	conn, err := pgx.Connect(t.Context(), p.primary.URL())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var behind bool
	err = conn.QueryRow(t.Context(), `SELECT count(*) = 0 FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()`).Scan(&behind)
	if err == nil && behind {
		err = errors.New("it is behind")
	}
	return err
}

// TestAServerThatTurnedReadOnlyIsNotBelieved, though the connections to it live on: it may be a
// demoted primary, which misses what is revoked at its successor. When it takes writes again, the
// next calls succeed.
func TestAServerThatTurnedReadOnlyIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, attributes := range map[string]string{"a primary is asked for": "read-write", "any server is": "any"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testserver.StartPostgres(t)
			database, err := db.Postgres(server.URL())
			if err != nil {
				t.Fatal(err)
			}
			if err := database.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			store := open(t, with(t, server.URL(), "target_session_attrs", attributes))
			known, err := store.SessionByID(t.Context(), storetest.NewSession(t, store))
			if err != nil {
				t.Fatal(err)
			}
			verbs := map[string]func() error{
				"a login":   func() error { return fresh(t.Context(), store, known) },
				"a refresh": func() error { _, err := store.StandingByFamily(t.Context(), known.Family); return err },
				"a look":    func() error { _, err := store.StandingByID(t.Context(), known.ID); return err },
				"a revocation": func() error {
					_, err := store.RevokeSession(t.Context(), known.ID, session.ReasonLogout, audit.New(audit.SessionRevoked, audit.ByUser("alice")))
					return err
				},
				"a reading of the keys": func() error { _, _, err := store.SigningKeys(t.Context()); return err },
				"a reading of what is revoked": func() error {
					_, err := store.Revoked(t.Context(), revocation.Page{Within: time.Hour, Rows: 10})
					return err
				},
			}
			setReadOnly(t, server.URL(), "on")
			await(t, "it is read-only", func() error {
				if err := verbs["a login"](); err == nil {
					return errors.New("it takes writes")
				}
				return nil
			})
			for name, do := range verbs {
				if err := do(); err == nil {
					t.Errorf("%s succeeded at a server that takes no writes", name)
				}
			}
			if err := store.Trouble(); !errors.Is(err, postgres.ErrReadOnly) {
				t.Errorf("trouble: %v, want %v", err, postgres.ErrReadOnly)
			}
			setReadOnly(t, server.URL(), "off")
			for _, name := range []string{"a login", "a refresh", "a reading of the keys", "a reading of what is revoked", "a revocation"} {
				await(t, name, verbs[name])
			}
			if err := store.Trouble(); err != nil {
				t.Errorf("trouble at the end: %v", err)
			}
		})
	}
}

// TestOpenNamesAServerThatTakesNoWrites, and how to mend it.
func TestOpenNamesAServerThatTakesNoWrites(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), postgres.Config{URL: testserver.StartStandby(t, testserver.StartPostgres(t)).URL()})
	if !errors.Is(err, postgres.ErrUnavailable) || !strings.Contains(err.Error(), "read only") || !strings.Contains(err.Error(), "postgres://one,two/database") {
		t.Errorf("got %v, want that it is read only, and the mend", err)
	}
}
