// Package storetest is the one contract that every backend must pass, without opt-outs: the contract of the durable
// stores for users, clients, sessions, keys and events, and of the ephemeral stores for rotation states and rate
// counters, including a hundred goroutines on one record. It depends on no backend; each backend runs it from its own
// tests, on a store that it opens.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// Durable is a durable store: what SQLite and Postgres both implement.
type Durable interface {
	user.Store
	client.Store
	session.Store
	keyring.Store
	revocation.Store
	audit.Store
	audit.Sweeper
	session.Sweeper
	Now(ctx context.Context) (time.Time, error) // the database's clock
}

// OpenDurable opens a durable store of its own, freshly migrated, for one test.
type OpenDurable func(testing.TB) Durable

// contenders is how many goroutines contend on one record.
const contenders = 100

// unknownID has the form of an id that no store has given out.
const unknownID = "01890000-0000-7000-8000-000000000000"

// notIDs are strings that can't be the id of anything.
var notIDs = []string{"", "garbage", "nul\x00", "\xff", "01890000000070008000000000000000", "{" + unknownID + "}"}

type durableRule func(*testing.T, Durable)

// keep runs every rule on a store of its own.
func keep(t *testing.T, open OpenDurable, rules map[string]durableRule) {
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule(t, open(t))
		})
	}
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// createUser adds a user of that name with an address of its own.
func createUser(tb testing.TB, store Durable, name string) user.User {
	tb.Helper()
	u := user.User{ID: newID(), Username: name, Email: name + "@example.com", PasswordHash: "hash of " + name}
	u, err := store.CreateUser(tb.Context(), u, about(audit.UserCreated, u.ID))
	if err != nil {
		tb.Fatalf("create user %s: %v", name, err)
	}
	return u
}

// newSession is a session of the user, yet to be started.
func newSession(userID string) session.Session {
	s := session.Session{ID: newID(), UserID: userID, ClientID: client.FirstParty, Address: "192.0.2.7", UserAgent: "curl/8"}
	_, _ = rand.Read(s.Family[:]) // never fails
	return s
}

// startSession starts a session of the user that lives for an hour.
func startSession(tb testing.TB, store Durable, userID string) session.Session {
	tb.Helper()
	u := findUser(tb, store, userID)
	return startSessionUnder(tb, store, newSession(userID), session.Terms{Lifetime: time.Hour, Seen: u.SessionsValidAfter})
}

func startSessionUnder(tb testing.TB, store Durable, x session.Session, terms session.Terms) session.Session {
	tb.Helper()
	s, err := store.StartSession(tb.Context(), x, terms, aboutSession(audit.SessionStarted, x.ID))
	if err != nil {
		tb.Fatalf("start session: %v", err)
	}
	return s
}

// NewSession makes a user with one live session and returns the session's id.
// It serves [OpenStates] where the state lives in the session's row.
func NewSession(tb testing.TB, store Durable) string {
	tb.Helper()
	return startSession(tb, store, createUser(tb, store, "u"+newID()).ID).ID
}

func findUser(tb testing.TB, store Durable, id string) user.User {
	tb.Helper()
	u, err := store.UserByID(tb.Context(), id)
	if err != nil {
		tb.Fatalf("find user: %v", err)
	}
	return u
}

func findSession(tb testing.TB, store Durable, id string) session.Session {
	tb.Helper()
	s, err := store.SessionByID(tb.Context(), id)
	if err != nil {
		tb.Fatalf("find session: %v", err)
	}
	return s
}

// about is an event that concerns a user.
func about(kind audit.Kind, userID string) audit.Event {
	event := audit.New(kind, audit.ByOperator("root"))
	event.UserID = userID
	return event
}

// aboutSession is an event that concerns a session.
func aboutSession(kind audit.Kind, sessionID string) audit.Event {
	event := audit.New(kind, audit.ByUser("alice"))
	event.SessionID = sessionID
	return event
}

// wantEvents checks the kinds of the events that a query finds, oldest first.
func wantEvents(tb testing.TB, store Durable, query audit.Query, want ...audit.Kind) {
	tb.Helper()
	query.Limit = 1000
	events, err := store.Events(tb.Context(), query)
	if err != nil {
		tb.Fatalf("events: %v", err)
	}
	var got []audit.Kind
	for _, event := range slices.Backward(events) {
		got = append(got, event.Kind)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		tb.Errorf("events (-got +want):\n%s", diff)
	}
}

func wantError(tb testing.TB, doing string, got, want error) {
	tb.Helper()
	if !errors.Is(got, want) {
		tb.Errorf("%s: error = %v, want %v", doing, got, want)
	}
}

// wantDatabaseTime checks that a time was just set by the database, in UTC and
// in the precision that every store keeps.
func wantDatabaseTime(tb testing.TB, what string, got time.Time) {
	tb.Helper()
	if time.Since(got).Abs() > 10*time.Minute { // the databases of tests run on this machine, which may be busy
		tb.Errorf("%s = %s, want about now", what, got)
	}
	if !got.Equal(got.Truncate(time.Microsecond)) || got.Location() != time.UTC {
		tb.Errorf("%s = %s, want UTC and no finer than a microsecond", what, got)
	}
}

// contend runs act in many goroutines that start at one moment, waits for all of
// them, and returns what each one's error was.
func contend(tb testing.TB, act func(ctx context.Context, i int) error) []error {
	tb.Helper()
	ctx, goesOn := patient(tb)
	outcomes := make([]error, contenders)
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range contenders {
		group.Go(func() {
			<-start
			outcomes[i] = act(ctx, i)
			goesOn()
		})
	}
	close(start)
	group.Wait()
	return outcomes
}

// patient gives a context that ends once nothing has gone on for most of a minute: how
// long a crowd takes in all is up to how busy the machine is. Its deadline is far, as the
// stores have one of their own for calls without.
func patient(tb testing.TB) (ctx context.Context, goesOn func()) {
	const stuck = 50 * time.Second
	ctx, cancel := context.WithTimeout(tb.Context(), time.Hour)
	watch := time.AfterFunc(stuck, cancel)
	tb.Cleanup(func() { watch.Stop(); cancel() })
	return ctx, func() { watch.Reset(stuck) }
}

// wantNoErrors checks that every contender succeeded.
func wantNoErrors(tb testing.TB, outcomes []error) {
	tb.Helper()
	if err := errors.Join(outcomes...); err != nil {
		tb.Errorf("contend: %v", err)
	}
}

// wantCancelled checks that each call honours a context that has ended.
func wantCancelled(t *testing.T, calls map[string]func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls {
		wantError(t, name, call(ctx), context.Canceled)
	}
}

// drop turns a call that also gives a value into one that gives its error.
func drop[T any](_ T, err error) error { return err }
