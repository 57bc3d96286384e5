package authority_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	clocks "github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/memory"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
	"github.com/mintmark-auth/mintmark/internal/user"
)

const (
	issuer   = "https://auth.example.com"
	audience = "https://api.example.com"
	password = "violet tram seven umbrellas"

	grace = 30 * time.Second
	idle  = 30 * 24 * time.Hour
	life  = 180 * 24 * time.Hour
	ttl   = 5 * time.Minute

	firstRoot  = "1:7xoUYC03xBXivWThN3bdbOscz/i44SZyy5zeCCvlaaM="
	secondRoot = "2:DCkJToyoVS0nD1EWzRAL2C6iCh4YLaUJZqX4n0OcjJI="
	leakedRoot = "1!:7xoUYC03xBXivWThN3bdbOscz/i44SZyy5zeCCvlaaM="
)

func begin() time.Time { return time.Date(2026, 11, 23, 7, 8, 9, 0, time.UTC) }

// clock is the time that a test sets, for the database and everything else.
type clock struct {
	mu    sync.Mutex
	now   time.Time // guarded by mu
	polls []func()  // what happens by itself while time passes; guarded by mu
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.jump(d)
	c.poll()
}

// jump lets time pass in which nothing happens by itself.
func (c *clock) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// poll does what happens by itself.
func (c *clock) poll() {
	c.mu.Lock()
	polls := c.polls
	c.mu.Unlock()
	for _, poll := range polls {
		poll()
	}
}

// bench is an authority on a SQLite file of its own, with a clock that stands still
// until a test moves it.
type bench struct {
	*authority.Authority
	clock   *clock
	store   *sqlite.Store
	calls   *calls
	log     *bytes.Buffer
	change  func(*client.Client)
	counted map[string]int // verdicts, and outcomes of logins
}

// newBench opens an authority whose first-party client is as change makes it.
func newBench(t *testing.T, change func(*client.Client)) *bench {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mintmark.db")
	if err := os.WriteFile(file, seed(t), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &clock{now: begin()}
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: file, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &bench{clock: c, store: store, change: change}
	return b.restart(t, firstRoot)
}

// restart gives another authority over the same store, with other root secrets.
func (b *bench) restart(t *testing.T, roots string) *bench {
	t.Helper()
	next := *b
	next.log, next.calls, next.counted = &bytes.Buffer{}, &calls{Store: b.store, states: b.store}, make(map[string]int)
	parsed, err := secret.ParseRoots(roots)
	if err != nil {
		t.Fatal(err)
	}
	keys := keyring.New(b.store, keyring.NewSealer(issuer, parsed), keyPolicy(), keyring.DatabaseClock{})
	if err := keys.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.clock.polls = append(b.clock.polls, func() {
		if err := keys.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	})
	clients := client.NewDirectory(changed{b.store, b.change})
	if err := clients.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	next.Authority = authority.New(authority.Config{
		Rules: authority.Rules{
			Issuer: issuer, Audience: audience, AccessTTL: ttl,
			Lifetimes: authority.Lifetimes{IdleTTL: idle, MaxTTL: life, Grace: grace}, MaxSessions: 1000,
			Password: user.NewRules(12), Registration: true,
		},
		Stores: authority.Stores{
			Users: people{b.store, next.calls}, Clients: clients, Sessions: next.calls, States: next.calls,
			Limits: limits{memory.NewLimits(b.clock.Now, 16), next.calls},
		},
		Machinery: authority.Machinery{
			Mint: session.NewMint(issuer, parsed), Keys: keys,
			Clocks: clocks.NewWatch(b.clock.Now),
			Lists:  revocation.New(revocation.Config{Issuer: issuer, AccessTTL: ttl, Store: b.store, Signer: keys.Signer}),
			Hasher: hasher(t), Events: audit.NewQueue(b.store), Checkpoints: session.NewCheckpoints(b.store),
			Observer: &next, Log: slog.New(slog.NewTextHandler(next.log, &slog.HandlerOptions{Level: slog.LevelWarn})),
		},
	})
	return &next
}

// Refreshed implements [authority.Observer].
func (b *bench) Refreshed(verdict string) { b.counted[verdict]++ }

// LoggedIn implements [authority.Observer].
func (b *bench) LoggedIn(outcome string) { b.counted[outcome]++ }

func keyPolicy() keyring.Policy {
	return keyring.Policy{RotateEvery: 30 * 24 * time.Hour, PublishAhead: 48 * time.Hour, Retain: 24 * time.Hour}
}

func hasher(tb testing.TB) *user.Hasher {
	tb.Helper()
	h, err := user.NewHasher(user.Params{MemoryKiB: 8, Time: 1, Threads: 1}, 2, time.Minute)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// seeding makes the database that every bench starts from: a signing key takes
// long to draw.
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
		before := begin().Add(-time.Hour)
		store, err := sqlite.Open(t.Context(), sqlite.Config{Path: file, Now: func() time.Time { return before }})
		if err != nil {
			t.Fatal(err)
		}
		roots, err := secret.ParseRoots(firstRoot)
		if err != nil {
			t.Fatal(err)
		}
		if err := keyring.New(store, keyring.NewSealer(issuer, roots), keyPolicy(), keyring.DatabaseClock{}).Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		accounts := authority.Accounts{Users: store, Rules: user.NewRules(12), Hasher: hasher(t)}
		for _, name := range []string{"alice", "bob"} {
			r := user.Registration{Username: name, Email: name + "@example.com", Password: secret.NewString(password)}
			if _, err := accounts.Add(t.Context(), r, audit.New(audit.UserCreated, audit.ByOperator("root"))); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if seeding.file, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	})
	return seeding.file
}

// changed is the client store with another first-party client.
type changed struct {
	client.Store
	change func(*client.Client)
}

func (c changed) ClientsChanged(ctx context.Context, after client.Mark, limit int) ([]client.Change, error) {
	page, err := c.Store.ClientsChanged(ctx, after, limit)
	for i := range page {
		if c.change != nil {
			c.change(&page[i].Client)
		}
	}
	if len(page) > 0 {
		page = append(page, client.Change{Client: stranger(), Mark: page[len(page)-1].Mark})
	}
	return page, err
}

// stranger is a client that has no session here.
func stranger() client.Client { return client.Client{ID: "stranger", Kind: client.Public} }

// home is where every user logs in from.
func home() authority.Origin {
	return authority.Origin{Address: "192.0.2.7", Subscriber: "192.0.2.7", UserAgent: "app/1", RequestID: "home request"}
}

// thief is a caller elsewhere.
func thief() authority.Origin {
	return authority.Origin{Address: "203.0.113.9", Subscriber: "203.0.113.9", UserAgent: "evil/2", RequestID: "thief's request"}
}

// by is the first-party client, calling from there; nobody while it is disabled.
func (b *bench) by(from authority.Origin) authority.Caller {
	return b.as(client.Client{ID: client.FirstParty}, from)
}

// as is a client of that id, calling from there.
func (b *bench) as(c client.Client, from authority.Origin) authority.Caller {
	by, _ := b.Authenticate(context.Background(), client.Credentials{ClientID: c.ID, Method: client.MethodNone}, from)
	return by
}

func (b *bench) login(t *testing.T, name string) authority.Tokens {
	t.Helper()
	tokens, err := b.Login(t.Context(), b.by(home()), name, password)
	if err != nil {
		t.Fatalf("log in %s: %v", name, err)
	}
	return tokens
}

func pairOf(tokens authority.Tokens) authority.Pair {
	return authority.Pair{AccessToken: tokens.AccessToken, RefreshToken: tokens.RefreshToken}
}

// refresh must be granted with that verdict.
func (b *bench) refresh(t *testing.T, tokens authority.Tokens, want session.Verdict) authority.Tokens {
	t.Helper()
	before := b.counted[want.String()]
	next, err := b.RefreshPair(t.Context(), b.by(home()), pairOf(tokens))
	if err != nil || b.counted[want.String()] != before+1 {
		t.Fatalf("refresh: %v, verdicts %v, want %s", err, b.counted, want)
	}
	return next
}

// refused must be refused with that verdict.
func (b *bench) refused(t *testing.T, tokens authority.Tokens, want session.Verdict) {
	t.Helper()
	before := b.counted[want.String()]
	_, err := b.RefreshPair(t.Context(), b.by(home()), pairOf(tokens))
	wantError(t, err, authority.ErrGrant)
	if b.counted[want.String()] != before+1 {
		t.Fatalf("verdicts %v, want one %s more", b.counted, want)
	}
}

// parse takes a refresh token apart.
func (b *bench) parse(t *testing.T, tokens authority.Tokens) session.RefreshToken {
	t.Helper()
	parsed, err := b.Mint.Parse(tokens.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// standing is what the durable store says of the session of the tokens.
func (b *bench) standing(t *testing.T, tokens authority.Tokens) session.Standing {
	t.Helper()
	s, err := b.store.StandingByFamily(t.Context(), b.parse(t, tokens).Family.Hash())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// state is what the ephemeral store says of it.
func (b *bench) state(t *testing.T, tokens authority.Tokens) session.State {
	t.Helper()
	var found session.State
	err := b.store.UpdateState(t.Context(), b.standing(t, tokens).ID, time.Hour, func(stored session.State, _ clocks.Clocks) (session.State, bool) {
		found = stored
		return stored, false
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// events are those of the session of the tokens, the oldest first.
func (b *bench) events(t *testing.T, tokens authority.Tokens) []audit.Event {
	t.Helper()
	if err := b.Events.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	events, err := b.store.Events(t.Context(), audit.Query{SessionID: b.standing(t, tokens).ID, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(events)
	return events
}
