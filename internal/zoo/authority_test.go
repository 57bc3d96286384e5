package zoo_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/httpapi"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
	"github.com/mintmark-auth/mintmark/internal/token"
)

const (
	issuer   = "https://auth.example.com"
	audience = "https://orders.example.com"
	jwksURL  = issuer + "/.well-known/jwks.json"
	lifetime = 5 * time.Minute // of access tokens, the default
)

// policy is the default one.
var policy = keyring.Policy{RotateEvery: 30 * 24 * time.Hour, PublishAhead: 48 * time.Hour, Retain: 24 * time.Hour}

// authority is three replicas over one store. Only the goroutine of the story changes it; verifiers fetch from it at
// any time.
type authority struct {
	t        *testing.T
	store    *sqlite.Store
	sealer   *keyring.Sealer
	replicas [3]replica
}

// replica is a process that can be restarted and cut off from the database.
type replica struct {
	process  atomic.Pointer[process]
	cutUntil time.Time
}

// process is what a restart replaces.
type process struct {
	keys    *keyring.Keyring
	handler http.Handler // mintmark's own
}

// migrated is a new database.
func migrated(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.db")
	if err := db.SQLite(path).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	return path
}

func startAuthority(t *testing.T, path string) *authority {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	a := &authority{t: t, store: store, sealer: keyring.NewSealer(issuer, secret.GenerateRoots())}
	for i := range a.replicas {
		a.start(&a.replicas[i])
	}
	return a
}

// start starts a replica, or starts it anew.
func (a *authority) start(r *replica) {
	a.t.Helper()
	keys := keyring.New(a.store, a.sealer, policy, keyring.DatabaseClock{})
	if err := keys.Start(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
	api, err := httpapi.New(httpapi.Config{Issuer: issuer, PublicHosts: httpapi.AnyHost(), Keys: keys, Observer: blind{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		a.t.Fatal(err)
	}
	r.process.Store(&process{keys, api.Public()})
}

// blind observes nothing.
type blind struct{}

func (blind) Began()                                    {}
func (blind) Served(string, string, int, time.Duration) {}

// operator is the process of a command: it has a keyring of its own.
func (a *authority) operator() *keyring.Keyring {
	return keyring.New(a.store, a.sealer, policy, keyring.DatabaseClock{})
}

// poll is what serve does every five seconds. It is nothing while the replica is cut off.
func (a *authority) poll(r *replica) {
	if time.Now().Before(r.cutUntil) {
		return
	}
	keys := r.process.Load().keys
	if err := keys.Refresh(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
	if err := keys.Maintain(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
}

// keys are the stored ones.
func (a *authority) keys() []keyring.Key {
	stored, _, err := a.store.SigningKeys(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	keys := make([]keyring.Key, len(stored))
	for i, k := range stored {
		keys[i] = k.Key
	}
	return keys
}

// sign returns a token of the first replica from n on that may sign, as a balancer would find it.
func (a *authority) sign(n int, life time.Duration) ticket {
	a.t.Helper()
	now := time.Now()
	var failed error
	for i := range a.replicas {
		signer, err := a.replicas[(n+i)%len(a.replicas)].process.Load().keys.Signer(now)
		if err != nil {
			failed = err
			continue
		}
		return a.signed(signer, now, life)
	}
	a.t.Fatalf("no replica signs: %v", failed)
	return ticket{}
}

func (a *authority) signed(signer *token.Signer, now time.Time, life time.Duration) ticket {
	a.t.Helper()
	raw, err := signer.Sign(token.Claims{
		Issuer: issuer, Subject: "0190c1f0-0000-7000-8000-000000000000", Audiences: []string{audience}, ClientID: "first-party",
		SessionID: "s", ID: token.NewID(), AuthTime: now, IssuedAt: now, Expiry: now.Add(life),
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return ticket{raw: raw, kid: kidOf(a.t, raw)}
}

// ticket is a token and the key that it names.
type ticket struct{ raw, kid string }

func kidOf(t *testing.T, raw string) string {
	t.Helper()
	header, _, _ := strings.Cut(raw, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		t.Fatal(err)
	}
	var h struct{ KID string }
	if err := json.Unmarshal(decoded, &h); err != nil {
		t.Fatal(err)
	}
	return h.KID
}

// wire is the network of one verifier: each request meets a replica by chance, also one that is cut off.
type wire struct {
	authority *authority
	mu        sync.Mutex
	chance    *rand.Rand // under mu; of this verifier alone, so that no other one changes its luck
}

// RoundTrip implements [http.RoundTripper] in memory.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	n := w.chance.IntN(len(w.authority.replicas))
	w.mu.Unlock()
	served := httptest.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, r.URL.String(), http.NoBody)
	served.Header = r.Header.Clone()
	recorder := httptest.NewRecorder()
	w.authority.replicas[n].process.Load().handler.ServeHTTP(recorder, served)
	response := recorder.Result()
	response.Request = r
	return response, nil
}
