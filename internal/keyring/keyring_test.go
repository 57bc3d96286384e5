package keyring_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
)

// openStore is a real store with a clock that the test turns.
func openStore(t *testing.T, now *time.Time) *sqlite.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.db")
	if err := db.SQLite(path).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestFirstStartMakesAKeyThatSignsAndMaintainAStandby(t *testing.T) {
	t.Parallel()
	now := t0
	store := openStore(t, &now)
	k := keyring.New(store, keyring.NewSealer(issuer, secret.GenerateRoots()), quick, keyring.DatabaseClock{})
	if err := k.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Signer(now); err != nil {
		t.Fatalf("signer after the start: %v", err)
	}
	for range 3 { // more than once is no different
		if err := k.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	listed, _, err := k.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(listed) != 2 || listed[0].State != keyring.Signing || listed[1].State != keyring.Published {
		t.Errorf("keys: got %+v, want one that signs and one standby", listed)
	}
}

func TestListedKeysNameTheRootThatSealsThem(t *testing.T) {
	t.Parallel()
	now := t0
	roots, err := secret.ParseRoots("7:7xoUYC03xBXivWThN3bdbOscz/i44SZyy5zeCCvlaaM=")
	if err != nil {
		t.Fatal(err)
	}
	k := keyring.New(openStore(t, &now), keyring.NewSealer(issuer, roots), quick, keyring.DatabaseClock{})
	if err := k.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	listed, _, err := k.List(t.Context())
	if err != nil || len(listed) != 1 || listed[0].SealedBy != 7 {
		t.Errorf("got %+v, %v; want one that is sealed by 7", listed, err)
	}
	if got := (keyring.Stored{}).SealedBy(); got != 0 {
		t.Errorf("a destroyed key is sealed by %d", got)
	}
}

func TestSwitchHappensAtTheActivationInDatabaseTime(t *testing.T) {
	t.Parallel()
	now := t0
	k := keyring.New(openStore(t, &now), keyring.NewSealer(issuer, secret.GenerateRoots()), quick, keyring.DatabaseClock{})
	if err := errors.Join(k.Start(t.Context()), k.Maintain(t.Context())); err != nil {
		t.Fatal(err)
	}
	now = t0.Add(policy.RotateEvery - keyring.MaxAge)
	if err := k.Refresh(t.Context()); err != nil { // nobody reads the keys anew from here on
		t.Fatal(err)
	}
	before, err := k.Signer(t0.Add(policy.RotateEvery - time.Microsecond))
	if err != nil {
		t.Fatal(err)
	}
	after, err := k.Signer(t0.Add(policy.RotateEvery))
	if err != nil {
		t.Fatal(err)
	}
	if before == after {
		t.Error("the standby did not take over at its activation")
	}
}

func TestKIDIsTheThumbprintAndTheJWKSIsPublic(t *testing.T) {
	t.Parallel()
	now := t0
	k := keyring.New(openStore(t, &now), keyring.NewSealer(issuer, secret.GenerateRoots()), quick, keyring.DatabaseClock{})
	if err := errors.Join(k.Start(t.Context()), k.Maintain(t.Context())); err != nil {
		t.Fatal(err)
	}
	published, ok := k.JWKS()
	if !ok {
		t.Fatal("no JWKS")
	}
	set, err := jwk.Parse(published.Body)
	if err != nil || set.Len() != 2 {
		t.Fatalf("JWKS: %v, %d keys; want 2", err, set.Len())
	}
	for i := range set.Len() {
		member, _ := set.Key(i)
		sum, err := member.Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if want := base64.RawURLEncoding.EncodeToString(sum); member.KeyID() != want {
			t.Errorf("kid %s, want the thumbprint %s", member.KeyID(), want)
		}
	}
	var members struct{ Keys []map[string]any }
	if err := json.Unmarshal(published.Body, &members); err != nil {
		t.Fatal(err)
	}
	for _, member := range members.Keys {
		for name := range member {
			if !strings.Contains(" kty n e kid alg use ", " "+name+" ") {
				t.Errorf("JWKS has a member %q", name)
			}
		}
	}
}

func TestSealedKeyOpensOnlyWhereItBelongs(t *testing.T) {
	t.Parallel()
	now := t0
	store := openStore(t, &now)
	roots := secret.GenerateRoots()
	k := keyring.New(store, keyring.NewSealer(issuer, roots), quick, keyring.DatabaseClock{})
	if err := k.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored, _, err := store.SigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	row := stored[0]
	edited := append([]byte(nil), row.Sealed...)
	edited[len(edited)-1] ^= 1
	cases := map[string]struct {
		sealer *keyring.Sealer
		kid    string
		sealed []byte
	}{
		"another root":   {keyring.NewSealer(issuer, secret.GenerateRoots()), row.KID, row.Sealed},
		"another issuer": {keyring.NewSealer("https://other.example.com", roots), row.KID, row.Sealed},
		"another kid":    {keyring.NewSealer(issuer, roots), "other", row.Sealed},
		"edited":         {keyring.NewSealer(issuer, roots), row.KID, edited},
		"truncated":      {keyring.NewSealer(issuer, roots), row.KID, row.Sealed[:10]},
		"empty":          {keyring.NewSealer(issuer, roots), row.KID, nil},
	}
	for name, c := range cases {
		if _, err := c.sealer.Open(c.kid, keyring.RS256, c.sealed); !errors.Is(err, keyring.ErrUnsealable) || !strings.Contains(err.Error(), c.kid) {
			t.Errorf("%s: got %v, want ErrUnsealable that names the key", name, err)
		}
	}
	if _, err := keyring.NewSealer(issuer, roots).Open(row.KID, keyring.RS256, row.Sealed); err != nil {
		t.Errorf("the right sealer: %v", err)
	}
}

func TestStartRefusesAnotherRootSecret(t *testing.T) {
	t.Parallel()
	now := t0
	store := openStore(t, &now)
	if err := keyring.New(store, keyring.NewSealer(issuer, secret.GenerateRoots()), quick, keyring.DatabaseClock{}).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := keyring.New(store, keyring.NewSealer(issuer, secret.GenerateRoots()), quick, keyring.DatabaseClock{}).Start(t.Context())
	if !errors.Is(err, keyring.ErrUnsealable) {
		t.Errorf("got %v, want ErrUnsealable", err)
	}
}

func TestARemovedKeyLeavesTheJWKSButStillVerifiesItsOwnTokens(t *testing.T) {
	t.Parallel()
	now := t0
	k := keyring.New(openStore(t, &now), keyring.NewSealer(issuer, secret.GenerateRoots()), quick, keyring.DatabaseClock{})
	if err := errors.Join(k.Start(t.Context()), k.Maintain(t.Context())); err != nil {
		t.Fatal(err)
	}
	listed, _, err := k.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first := listed[0].KID
	now = t0.Add(policy.RotateEvery + policy.Retain)
	if err := k.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	published, _ := k.JWKS()
	if strings.Contains(string(published.Body), first) {
		t.Error("a removed key is still in the JWKS")
	}
	if _, ok := k.Public(first); !ok {
		t.Error("the public half of a removed key is gone")
	}
}

func TestMaintainWritesAnEventForEachKey(t *testing.T) {
	t.Parallel()
	now := t0
	store := openStore(t, &now)
	k := keyring.New(store, keyring.NewSealer(issuer, secret.GenerateRoots()), quick, keyring.DatabaseClock{})
	if err := errors.Join(k.Start(t.Context()), k.Maintain(t.Context())); err != nil {
		t.Fatal(err)
	}
	events, err := store.Events(t.Context(), audit.Query{Kind: audit.KeyPublished, Limit: 10})
	if err != nil || len(events) != 2 {
		t.Errorf("events: %v, %v; want two", events, err)
	}
}

func TestADamagedStandbyIsReportedAndStopsNothing(t *testing.T) {
	t.Parallel()
	now := t0
	store := openStore(t, &now)
	roots := secret.GenerateRoots()
	k := keyring.New(store, keyring.NewSealer(issuer, roots), quick, keyring.DatabaseClock{})
	if err := k.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := k.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	edit(t, store, 1, func(standby *keyring.Stored) { standby.Sealed[len(standby.Sealed)-1] ^= 1 })
	if err := keyring.New(store, keyring.NewSealer(issuer, roots), quick, keyring.DatabaseClock{}).Start(t.Context()); err != nil {
		t.Fatalf("start beside a damaged standby: %v", err)
	}
	k = keyring.New(store, keyring.NewSealer(issuer, roots), quick, keyring.DatabaseClock{})
	if err := k.Refresh(t.Context()); err != nil {
		t.Fatalf("refresh beside a damaged standby: %v", err)
	}
	if _, err := k.Signer(now); err != nil {
		t.Errorf("signer: %v", err)
	}
	if err := k.Damage(); !errors.Is(err, keyring.ErrUnsealable) {
		t.Errorf("damage: got %v, want ErrUnsealable", err)
	}
}

// TestAnotherRootSecretAddsNoKey: a key that only it opens would poison the table.
func TestAnotherRootSecretAddsNoKey(t *testing.T) {
	t.Parallel()
	now := t0
	store := openStore(t, &now)
	if err := keyring.New(store, keyring.NewSealer(issuer, secret.GenerateRoots()), quick, keyring.DatabaseClock{}).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, sealer := range map[string]*keyring.Sealer{
		"root": keyring.NewSealer(issuer, secret.GenerateRoots()), "issuer": keyring.NewSealer("https://other.example.com", secret.GenerateRoots()),
	} {
		if err := keyring.New(store, sealer, quick, keyring.DatabaseClock{}).Maintain(t.Context()); !errors.Is(err, keyring.ErrUnsealable) {
			t.Errorf("maintain with another %s: %v, want ErrUnsealable", name, err)
		}
	}
	if stored, _, err := store.SigningKeys(t.Context()); err != nil || len(stored) != 1 {
		t.Errorf("%d keys, %v; want the one that was there", len(stored), err)
	}
}

// TestAMemberIsWhatTheJWKSHolds: a removed key still identifies our tokens, but no longer
// authenticates a caller.
func TestAMemberIsWhatTheJWKSHolds(t *testing.T) {
	t.Parallel()
	now := t0
	k := keyring.New(openStore(t, &now), keyring.NewSealer(issuer, secret.GenerateRoots()), quick, keyring.DatabaseClock{})
	if _, ok := k.Member("any"); ok {
		t.Error("a member before the first refresh")
	}
	if err := errors.Join(k.Start(t.Context()), k.Maintain(t.Context())); err != nil {
		t.Fatal(err)
	}
	listed, _, err := k.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, standby := listed[0], listed[1]
	for at, want := range map[time.Time]bool{
		t0:                  true,
		standby.ActivatesAt: true,
		standby.ActivatesAt.Add(policy.Retain - time.Second): true,
		standby.ActivatesAt.Add(policy.Retain):               false,
	} {
		now = at
		if err := k.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, member := k.Member(first.KID)
		_, public := k.Public(first.KID)
		set, _ := k.JWKS()
		if member != want || !public || strings.Contains(string(set.Body), first.KID) != want {
			t.Errorf("at %s: member %v, public %v, want %v, true", at, member, public, want)
		}
		if _, member := k.Member(standby.KID); !member {
			t.Errorf("at %s: the standby is no member", at)
		}
	}
}
