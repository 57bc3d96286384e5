package operator_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/operator"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
	"github.com/mintmark-auth/mintmark/internal/user"
)

const (
	issuer   = "https://auth.example.com"
	roots    = "1:7xoUYC03xBXivWThN3bdbOscz/i44SZyy5zeCCvlaaM="
	password = "violet tram seven umbrellas"

	day     = 24 * time.Hour
	idle    = 30 * day
	life    = 180 * day
	unknown = "01935b7e-0000-7000-8000-000000000000"
)

func begin() time.Time { return time.Date(2026, 11, 23, 7, 8, 9, 0, time.UTC) }

// grace is the operator who orders everything here.
func grace() audit.Actor { return audit.ByOperator("grace") }

// errOut is the error of a dependency that is out of reach.
var errOut = errors.New("out of reach")

// bench is an operator on a SQLite file of its own, with a clock that stands still until
// a test moves it.
type bench struct {
	*operator.Operator
	file  string
	store *sqlite.Store
	now   time.Time
	tick  time.Duration // by which the clock goes on at each reading
	mint  *session.Mint
}

func newBench(t *testing.T) *bench {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mintmark.db")
	if err := os.WriteFile(file, seed(t), 0o600); err != nil {
		t.Fatal(err)
	}
	b := &bench{now: begin(), file: file}
	clock := func() time.Time {
		b.now = b.now.Add(b.tick)
		return b.now
	}
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: file, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	hasher, err := user.NewHasher(user.Params{MemoryKiB: 8, Time: 1, Threads: 1}, 2, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	b.store, b.mint = store, session.NewMint(issuer, parsed(t))
	b.Operator = operator.New(operator.Config{
		Clocks: func(context.Context) keyring.Clocks { return keyring.DatabaseClock{} },
		Users:  store, Clients: store, Sessions: store, Keys: store, Events: store,
		Password: user.NewRules(12), Hasher: hasher, Now: store.Now, KeyPolicy: keyPolicy(),
		Lifetimes: authority.Lifetimes{IdleTTL: idle, MaxTTL: life, Grace: 30 * time.Second},
		Secrets:   func() (operator.Secrets, error) { return operator.Secrets{Issuer: issuer, Roots: parsed(t)}, nil },
		Rotation:  b.rotation,
	})
	return b
}

func (b *bench) rotation(ctx context.Context, id string) (state session.State, now clock.Clocks, err error) {
	err = b.store.UpdateState(ctx, id, time.Hour, func(stored session.State, at clock.Clocks) (session.State, bool) {
		state, now = stored, at
		return stored, false
	})
	return state, now, err
}

// execute changes the file by hand.
func (b *bench) execute(t *testing.T, statement string) {
	t.Helper()
	handle, err := sql.Open("sqlite", "file:"+b.file)
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	if _, err := handle.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// user adds a user.
func (b *bench) user(t *testing.T, name string) user.User {
	t.Helper()
	u, err := b.CreateUser(t.Context(), grace(), registration(name))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func registration(name string) user.Registration {
	return user.Registration{Username: name, Email: name + "@example.com", Password: secret.NewString(password)}
}

// login starts a session of a user and gives its first refresh token.
func (b *bench) login(t *testing.T, userID string) (session.Session, string) {
	t.Helper()
	u, err := b.store.UserByID(t.Context(), userID)
	if err != nil {
		t.Fatal(err)
	}
	family := session.NewFamily()
	s := session.Session{ID: uuid.Must(uuid.NewV7()).String(), Family: family.Hash(), UserID: u.ID, ClientID: client.FirstParty, Checkpoint: 1}
	event := audit.New(audit.SessionStarted, audit.ByUser(u.ID))
	event.UserID, event.ClientID, event.SessionID, event.RequestID = u.ID, s.ClientID, s.ID, "request of "+s.ID
	s, err = b.store.StartSession(t.Context(), s, session.Terms{Lifetime: life, Seen: u.SessionsValidAfter}, event)
	if err != nil {
		t.Fatal(err)
	}
	return s, b.mint.Format(session.RefreshToken{Family: family, Generation: 1, IssuedAt: b.now})
}

// wantState fails unless a session is in this state.
func (b *bench) wantState(t *testing.T, id string, want operator.SessionState) {
	t.Helper()
	if got, err := b.FindSession(t.Context(), id); err != nil || got.State != want {
		t.Errorf("session %s is %s, %v; want %s", id, got.State, err, want)
	}
}

// wantEvent fails unless the newest event of a kind is this one, except for its id and time.
func (b *bench) wantEvent(t *testing.T, want audit.Event) {
	t.Helper()
	events, err := b.ListEvents(t.Context(), audit.Query{Kind: want.Kind, Limit: 1})
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events %s, %v; want one", len(events), want.Kind, err)
	}
	if diff := cmp.Diff(events[0], want, cmpopts.IgnoreFields(audit.Event{}, "ID", "At")); diff != "" {
		t.Errorf("%s (-got +want):\n%s", want.Kind, diff)
	}
}

// wantNone fails if there is an event of the kind.
func (b *bench) wantNone(t *testing.T, kind audit.Kind) {
	t.Helper()
	if events, err := b.ListEvents(t.Context(), audit.Query{Kind: kind, Limit: 1}); err != nil || len(events) > 0 {
		t.Errorf("events %+v, %v; want none", events, err)
	}
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func keyPolicy() keyring.Policy {
	return keyring.Policy{RotateEvery: 30 * day, PublishAhead: 2 * day, Retain: day}
}

func parsed(tb testing.TB) secret.Roots {
	tb.Helper()
	r, err := secret.ParseRoots(roots)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// seeding makes the database that every bench starts from: signing keys take long to
// draw. One signs, and a standby is ripe.
var seeding struct {
	sync.Once
	file []byte
}

func seed(t *testing.T) []byte {
	t.Helper()
	seeding.Do(func() {
		file := filepath.Join(t.TempDir(), "seed.db")
		if err := db.SQLite(file).Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := begin().Add(-3 * day)
		store, err := sqlite.Open(t.Context(), sqlite.Config{Path: file, Now: func() time.Time { return before }})
		if err != nil {
			t.Fatal(err)
		}
		keys := keyring.New(store, keyring.NewSealer(issuer, parsed(t)), keyPolicy(), keyring.DatabaseClock{})
		if err := errors.Join(keys.Start(t.Context()), keys.Maintain(t.Context()), store.Close()); err != nil {
			t.Fatal(err)
		}
		if seeding.file, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	})
	return seeding.file
}
