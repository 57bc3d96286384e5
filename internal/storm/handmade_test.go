package storm_test

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/postgres"
	"github.com/mintmark-auth/mintmark/internal/store/redis"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// handmade is an authority without transport, over stores whose round trips are
// counted. It can refresh, and nothing else.
type handmade struct {
	*authority.Authority
	meter    *meter
	postgres *postgres.Store
	redis    *redis.Store
	user     user.User
	client   authority.Caller
}

func newHandmade(t testing.TB, postgresURL, redisURL string) *handmade {
	t.Helper()
	migrate(t, postgresURL)
	h := &handmade{meter: &meter{}}
	var err error
	if h.postgres, err = postgres.Open(t.Context(), postgres.Config{URL: postgresURL, Tracer: h.meter}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.postgres.Close() })
	h.redis, err = redis.Open(t.Context(), redis.Config{URL: redisURL, LimitKey: make([]byte, 32), Instrument: func(c goredis.UniversalClient) error {
		c.AddHook(h.meter)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.redis.Close() })
	roots := secret.GenerateRoots()
	keys := keyring.New(h.postgres, keyring.NewSealer(issuer, roots), keyring.Policy{RotateEvery: 720 * time.Hour, PublishAhead: 48 * time.Hour, Retain: 24 * time.Hour}, keyring.DatabaseClock{})
	clients := client.NewDirectory(h.postgres)
	for _, start := range []func(context.Context) error{keys.Start, clients.Refresh} {
		if err := start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if h.user, err = h.postgres.CreateUser(t.Context(), aUser(), audit.New(audit.UserCreated, audit.ByOperator("root"))); err != nil {
		t.Fatal(err)
	}
	h.Authority = authority.New(authority.Config{
		Rules: authority.Rules{
			Issuer: issuer, Audience: issuer, AccessTTL: 5 * time.Minute,
			Lifetimes: authority.Lifetimes{IdleTTL: 720 * time.Hour, MaxTTL: 4320 * time.Hour, Grace: grace}, MaxSessions: 10_000,
		},
		Stores: authority.Stores{Users: h.postgres, Clients: clients, Sessions: h.postgres, States: h.redis, Limits: h.redis},
		Machinery: authority.Machinery{
			Mint: session.NewMint(issuer, roots), Keys: keys, Lists: revocation.New(revocation.Config{Issuer: issuer, Store: h.postgres, Signer: keys.Signer}),
			Events: audit.NewQueue(h.postgres), Checkpoints: session.NewCheckpoints(h.postgres),
			Observer: deaf{}, Log: slog.New(slog.DiscardHandler), Clocks: clock.NewWatch(nil),
		},
	})
	if h.client, err = h.Authenticate(t.Context(), client.Credentials{ClientID: client.FirstParty, Method: client.MethodNone}, authority.Origin{Address: "192.0.2.7"}); err != nil {
		t.Fatal(err)
	}
	return h
}

// start begins a session and gives its first refresh token.
func (h *handmade) start(t testing.TB) string {
	t.Helper()
	family := session.NewFamily()
	x := session.Session{ID: newID(), Family: family.Hash(), UserID: h.user.ID, ClientID: client.FirstParty}
	x, err := h.postgres.StartSession(t.Context(), x, session.Terms{Lifetime: time.Hour, Seen: h.user.SessionsValidAfter}, audit.New(audit.SessionStarted, audit.ByUser("alice")))
	if err != nil {
		t.Fatal(err)
	}
	return h.Mint.Format(session.RefreshToken{Family: family, Generation: 1, IssuedAt: x.CreatedAt})
}

// trade gives a refresh token for its successor.
func (h *handmade) trade(t testing.TB, token string) string {
	t.Helper()
	tokens, err := h.Refresh(t.Context(), h.client, token)
	if err != nil {
		t.Fatal(err)
	}
	return tokens.RefreshToken
}

// deaf observes nothing.
type deaf struct{}

func (deaf) Refreshed(string) {}
func (deaf) LoggedIn(string)  {}

// meter counts round trips to either store.
type meter struct{ sql, redis atomic.Int64 }

// TraceQueryStart implements [pgx.QueryTracer]. The pool's pings of connections
// that nobody used for a while don't come here.
func (m *meter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	m.sql.Add(1)
	return ctx
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (m *meter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TracePrepareStart implements [pgx.PrepareTracer].
func (m *meter) TracePrepareStart(ctx context.Context, _ *pgx.Conn, _ pgx.TracePrepareStartData) context.Context {
	return ctx
}

// TracePrepareEnd implements [pgx.PrepareTracer].
func (m *meter) TracePrepareEnd(_ context.Context, _ *pgx.Conn, data pgx.TracePrepareEndData) {
	if !data.AlreadyPrepared {
		m.sql.Add(1)
	}
}

// DialHook implements [goredis.Hook].
func (m *meter) DialHook(next goredis.DialHook) goredis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements [goredis.Hook].
func (m *meter) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		m.redis.Add(1)
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook implements [goredis.Hook].
func (m *meter) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		m.redis.Add(1)
		return next(ctx, cmds)
	}
}

// spent is what do costs, in round trips.
func (m *meter) spent(do func()) (sql, redis int64) {
	sql, redis = m.sql.Load(), m.redis.Load()
	do()
	return m.sql.Load() - sql, m.redis.Load() - redis
}
