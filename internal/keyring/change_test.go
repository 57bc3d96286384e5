package keyring_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
)

// authority is a keyring over a real store with a clock that the test turns, after
// its first start.
type authority struct {
	*keyring.Keyring
	store *sqlite.Store
	roots secret.Roots
	now   time.Time
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{now: t0, roots: secret.GenerateRoots()}
	a.store = openStore(t, &a.now)
	a.Keyring = keyring.New(a.store, keyring.NewSealer(issuer, a.roots), quick, keyring.DatabaseClock{})
	if err := errors.Join(a.Start(t.Context()), a.Maintain(t.Context())); err != nil {
		t.Fatal(err)
	}
	return a
}

// listed are the keys by state, after a fresh read.
func (a *authority) listed(t *testing.T) map[keyring.State][]keyring.Listed {
	t.Helper()
	keys, _, err := a.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byState := make(map[keyring.State][]keyring.Listed)
	for _, k := range keys {
		byState[k.State] = append(byState[k.State], k)
	}
	return byState
}

func order(t *testing.T) keyring.Order {
	return keyring.Order{By: audit.ByOperator("root"), Why: "a test", Confirm: yes, Waiting: func(s keyring.Switch, wait time.Duration) {
		t.Errorf("waits %s for %s", wait, s.To.KID)
	}}
}

func yes(keyring.Switch) error { return nil }

func (a *authority) wantEvents(t *testing.T, kind audit.Kind, want int) []audit.Event {
	t.Helper()
	events, err := a.store.Events(t.Context(), audit.Query{Kind: kind, Limit: 100})
	if err != nil || len(events) != want {
		t.Fatalf("%d events %s, %v; want %d", len(events), kind, err, want)
	}
	return events
}

func TestRotateWaitsForARipeStandbyAndSwitchesAllReplicasAtOneInstant(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	first := a.listed(t)[keyring.Signing][0]
	if _, err := a.Rotate(bound(t), order(t)); !errors.Is(err, keyring.ErrUnripe) || !strings.Contains(err.Error(), "2026-01-03T00:00:00Z, in 48h0m0s") {
		t.Errorf("an unripe standby: %v, want ErrUnripe that says when", err)
	}
	a.now = t0.Add(policy.PublishAhead)
	s, err := a.Rotate(bound(t), order(t))
	if err != nil || !s.At.Equal(a.now.Add(keyring.RotateLead)) || s.From.KID != first.KID {
		t.Fatalf("%+v, %v; want a switch in 70 s", s, err)
	}
	if _, err := a.Rotate(bound(t), order(t)); !errors.Is(err, keyring.ErrSwitching) {
		t.Errorf("a second operator: %v, want ErrSwitching", err)
	}
	if got := a.wantEvents(t, audit.KeyRotated, 1)[0]; got.Actor != audit.ByOperator("root") || got.Detail["why"] != "a test" || got.Detail["to"] != s.To.KID {
		t.Errorf("event %+v", got)
	}
	if signing := a.listed(t)[keyring.Signing]; len(signing) != 1 || signing[0].KID != first.KID {
		t.Errorf("%+v sign before the switch, want the first", signing)
	}
	a.now = s.At
	if err := errors.Join(a.Refresh(t.Context()), a.Maintain(t.Context())); err != nil {
		t.Fatal(err)
	}
	after := a.listed(t)
	if after[keyring.Signing][0].KID != s.To.KID || after[keyring.Retired][0].KID != first.KID || len(after[keyring.Published]) != 1 {
		t.Errorf("after the switch: %+v", after)
	}
	if after[keyring.Retired][0].SealedBy == 0 {
		t.Error("the private half of the retired key is destroyed, while a clock may have been wrong")
	}
	a.now = s.At.Add(quick.Retain)
	if err := errors.Join(a.Refresh(t.Context()), a.Maintain(t.Context())); err != nil {
		t.Fatal(err)
	}
	if a.listed(t)[keyring.Removed][0].SealedBy != 0 {
		t.Error("the private half of the removed key is still there")
	}
	a.wantEvents(t, audit.KeyDestroyed, 1)
}

// operators have three of them give one order at the same time and returns how it ended.
func (a *authority) operators(t *testing.T, give func(*keyring.Keyring) error) (granted int, refused []error) {
	t.Helper()
	var mu sync.Mutex
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			err := give(keyring.New(a.store, keyring.NewSealer(issuer, a.roots), quick, keyring.DatabaseClock{}))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				granted++
				return
			}
			refused = append(refused, err)
		})
	}
	group.Wait()
	return granted, refused
}

func TestOfConcurrentOperatorsOneSucceeds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		give func(k *keyring.Keyring, signing string) error
		want error
	}{
		"rotate": {func(k *keyring.Keyring, _ string) error {
			_, err := k.Rotate(bound(t), order(t))
			return err
		}, keyring.ErrSwitching},
		"emergency": {func(k *keyring.Keyring, _ string) error {
			_, err := k.RotateNow(bound(t), order(t))
			return err
		}, keyring.ErrSwitching},
		"revoke": {func(k *keyring.Keyring, signing string) error {
			_, err := k.Revoke(bound(t), signing, time.Hour, order(t))
			return err
		}, keyring.ErrKeyRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t)
			a.now = t0.Add(policy.PublishAhead)
			before := a.listed(t)[keyring.Signing][0].KID
			granted, refused := a.operators(t, func(k *keyring.Keyring) error { return c.give(k, before) })
			if granted != 1 || len(refused) != 2 || !errors.Is(refused[0], c.want) || !errors.Is(refused[1], c.want) {
				t.Errorf("%d granted, %v refused; want one, and twice %v", granted, refused, c.want)
			}
			a.now = a.now.Add(keyring.RotateLead)
			if after := a.listed(t)[keyring.Signing]; len(after) != 1 || after[0].KID == before {
				t.Errorf("%+v sign", after)
			}
		})
	}
}

// TestAnEmergencyDoesNotSaveARevokedKey: whichever order comes first, the key is out
// and verifiers meet a fresh one.
func TestAnEmergencyDoesNotSaveARevokedKey(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.now = t0.Add(time.Hour)
	leaked := a.listed(t)[keyring.Signing][0].KID
	if _, err := a.RotateNow(bound(t), order(t)); err != nil {
		t.Fatal(err)
	}
	s, err := a.Revoke(bound(t), leaked, 0, order(t))
	if err != nil || !s.FreshAt.Equal(a.now.Add(keyring.Settled)) {
		t.Fatalf("%+v, %v; want a fresh key in ten seconds", s, err)
	}
	a.now = s.FreshAt
	if signing := a.listed(t)[keyring.Signing][0]; !signing.PublishedAt.Equal(t0.Add(time.Hour)) {
		t.Errorf("%+v signs, want the fresh key", signing)
	}
}

// TestADamagedStandbyIsReplaced: else all replicas would stop at its turn. It also
// keeps nobody from revoking the key that signs.
func TestADamagedStandbyIsReplaced(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) { // it waits
		a := newAuthority(t)
		damaged := a.listed(t)[keyring.Published][0].KID
		edit(t, a.store, 1, func(k *keyring.Stored) { k.Sealed = k.Sealed[:30] })
		a.now = t0.Add(time.Hour)
		leaked := a.listed(t)[keyring.Signing][0].KID
		waits := keyring.Order{By: audit.ByOperator("root"), Why: "a test", Confirm: yes, Waiting: func(keyring.Switch, time.Duration) { a.now = a.now.Add(keyring.Settled) }}
		operator := keyring.New(a.store, keyring.NewSealer(issuer, a.roots), quick, keyring.DatabaseClock{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s, err := operator.Revoke(ctx, leaked, 0, waits)
		if err != nil || s.To.KID == damaged {
			t.Fatalf("%+v, %v; want another standby to take over", s, err)
		}
		after := a.listed(t)
		if len(after[keyring.Revoked]) != 2 || len(after[keyring.Signing]) != 1 {
			t.Errorf("after: %+v", after)
		}

		other := newAuthority(t)
		edit(t, other.store, 1, func(k *keyring.Stored) { k.Sealed[1] = 9 }) // of a root secret that others may have
		if err := other.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(other.listed(t)[keyring.Revoked]); n != 0 {
			t.Errorf("%d keys are revoked for want of a root secret", n)
		}
	})
}

func TestAnEmergencySwitchesAtOnceAndLosesNoToken(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	first, standby := a.listed(t)[keyring.Signing][0], a.listed(t)[keyring.Published][0]
	a.now = t0.Add(keyring.Settled)
	s, err := a.RotateNow(bound(t), order(t))
	if err != nil || s.To.KID != standby.KID || !s.At.Equal(a.now) {
		t.Fatalf("%+v, %v", s, err)
	}
	if err := a.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Signer(a.now); err != nil {
		t.Error(err)
	}
	if _, ok := a.Member(first.KID); !ok {
		t.Error("the retired key is out of the JWKS: its tokens are lost")
	}
	after := a.listed(t)
	if after[keyring.Retired][0].SealedBy == 0 || len(after[keyring.Published]) != 1 {
		t.Errorf("after: %+v; want the old private half kept and a new standby", after)
	}
}

// TestAStandbyDamagedWhileAnOperatorDecidesDoesNotTakeOver: the decision is made
// again on what is there by then.
func TestAStandbyDamagedWhileAnOperatorDecidesDoesNotTakeOver(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.now = t0.Add(time.Hour)
	before := a.listed(t)[keyring.Signing][0].KID
	thinking := order(t)
	thinking.Confirm = func(keyring.Switch) error {
		edit(t, a.store, 1, func(k *keyring.Stored) { k.Sealed = k.Sealed[:30] })
		return nil
	}
	operator := keyring.New(a.store, keyring.NewSealer(issuer, a.roots), quick, keyring.DatabaseClock{})
	if _, err := operator.RotateNow(bound(t), thinking); !errors.Is(err, keyring.ErrNoStandby) {
		t.Errorf("got %v, want ErrNoStandby", err)
	}
	if after := a.listed(t); after[keyring.Signing][0].KID != before || len(after[keyring.Revoked]) > 0 {
		t.Errorf("half a rotation was done: %+v", after)
	}
}

func TestAStandbyThatIsTooYoungIsWaitedFor(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	ctx, cancel := context.WithCancel(t.Context())
	waited := time.Duration(0)
	_, err := a.RotateNow(ctx, keyring.Order{By: audit.ByOperator("root"), Confirm: yes, Waiting: func(_ keyring.Switch, wait time.Duration) { waited = wait; cancel() }})
	if !errors.Is(err, context.Canceled) || waited != keyring.Settled {
		t.Errorf("%v after a wait of %s, want one of %s", err, waited, keyring.Settled)
	}
	if len(a.listed(t)[keyring.Retired]) > 0 {
		t.Error("half a rotation was done")
	}
}

func TestARevokedKeyIsOutAndAFreshOneFollows(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	first, standby := a.listed(t)[keyring.Signing][0], a.listed(t)[keyring.Published][0]
	a.now = t0.Add(time.Hour)
	s, err := a.Revoke(bound(t), first.KID, 20*time.Minute, order(t))
	if err != nil || s.To.KID != standby.KID || !s.FreshAt.Equal(a.now.Add(20*time.Minute)) {
		t.Fatalf("%+v, %v", s, err)
	}
	if err := a.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if set, _ := a.JWKS(); strings.Contains(string(set.Body), first.KID) {
		t.Error("the revoked key is in the JWKS")
	}
	after := a.listed(t)
	if after[keyring.Revoked][0].SealedBy != 0 || after[keyring.Signing][0].KID != standby.KID || len(after[keyring.Published]) != 2 {
		t.Errorf("after: %+v; want it revoked, the standby signing, a fresh key and a standby", after)
	}
	if _, err := a.Revoke(bound(t), first.KID, 0, order(t)); !errors.Is(err, keyring.ErrKeyRevoked) {
		t.Errorf("once more: %v, want ErrKeyRevoked", err)
	}
	if _, err := a.Revoke(bound(t), "nobody", 0, order(t)); !errors.Is(err, keyring.ErrUnknownKey) {
		t.Errorf("an unknown key: %v, want ErrUnknownKey", err)
	}
	if got := a.wantEvents(t, audit.KeyRevoked, 1)[0]; got.Detail["kid"] != first.KID || got.Detail["why"] != "a test" {
		t.Errorf("event %+v", got)
	}

	// A key that does not sign is cached as well: another fresh one follows.
	fresh := after[keyring.Published][0]
	if s, err := a.Revoke(bound(t), fresh.KID, 0, order(t)); err != nil || s.To.KID != "" || s.FreshAt.IsZero() {
		t.Errorf("revoke the next: %+v, %v", s, err)
	}
	if after := a.listed(t); after[keyring.Signing][0].KID != standby.KID || len(after[keyring.Published]) != 2 {
		t.Errorf("after: %+v", after)
	}
}

func TestVerifyNamesEveryDamagedKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage func(keys []keyring.Stored)
		want   error
	}{
		"edited":    {func(k []keyring.Stored) { k[1].Sealed[20] ^= 1 }, keyring.ErrUnsealable},
		"truncated": {func(k []keyring.Stored) { k[1].Sealed = k[1].Sealed[:30] }, keyring.ErrUnsealable},
		"swapped":   {func(k []keyring.Stored) { k[0].Sealed, k[1].Sealed = k[1].Sealed, k[0].Sealed }, keyring.ErrUnsealable},
		"missing":   {func(k []keyring.Stored) { k[1].Sealed = nil }, keyring.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t)
			err := a.store.ChangeSigningKeys(t.Context(), func(keys []keyring.Stored, _ time.Time) (keyring.Change, error) {
				c.damage(keys)
				return keyring.Change{Update: keys}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			keys, _, err := a.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := keys[1].Problem; !errors.Is(got, c.want) || !strings.Contains(got.Error(), keys[1].KID) {
				t.Errorf("got %v, want %v that names %s", got, c.want, keys[1].KID)
			}
		})
	}
}

func TestResealGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	second := secret.GenerateRoots()
	second[0].ID = 2
	both := append(secret.Roots{second[0]}, a.roots...)
	ctx, cancel := context.WithCancel(t.Context())
	broken := keyring.New(a.store, keyring.NewSealer(issuer, both), quick, keyring.DatabaseClock{})
	if n, err := broken.Reseal(ctx, audit.ByOperator("root"), func(done, _ int) { cancel() }); n != 1 || !errors.Is(err, context.Canceled) {
		t.Fatalf("%d keys, %v; want one before it broke off", n, err)
	}
	var told []int
	n, err := broken.Reseal(t.Context(), audit.ByOperator("root"), func(done, all int) { told = append(told, done, all) })
	if err != nil || n != 1 || !slices.Equal(told, []int{1, 1}) {
		t.Fatalf("%d keys, %v, told %v; want the one that was left", n, err, told)
	}
	alone := keyring.New(a.store, keyring.NewSealer(issuer, both[:1]), quick, keyring.DatabaseClock{})
	keys, _, err := alone.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if k.Problem != nil || k.SealedBy != 2 {
			t.Errorf("%s: %v, sealed by %d; want the new root alone to open it", k.KID, k.Problem, k.SealedBy)
		}
	}
	a.wantEvents(t, audit.KeyResealed, 2)
}

// TestADumpOfTheDatabaseOpensNothing looks for any of the private numbers in all
// that is on disk.
func TestADumpOfTheDatabaseOpensNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.db")
	if err := db.SQLite(path).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	sealer := keyring.NewSealer(issuer, secret.GenerateRoots())
	k := keyring.New(store, sealer, quick, keyring.DatabaseClock{})
	if err := errors.Join(k.Start(t.Context()), k.Maintain(t.Context())); err != nil {
		t.Fatal(err)
	}
	stored, _, err := store.SigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dump := readAll(t, path)
	for _, key := range stored {
		private, err := sealer.Open(key.KID, key.Alg, key.Sealed)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(dump, private.N.Bytes()) {
			t.Error("the public half is not in the dump: this test looks in the wrong place")
		}
		parts := map[string][]byte{"d": private.D.Bytes(), "p": private.Primes[0].Bytes(), "q": private.Primes[1].Bytes()}
		for _, name := range slices.Sorted(maps.Keys(parts)) {
			if bytes.Contains(dump, parts[name][:32]) {
				t.Errorf("%s of %s is in the dump", name, key.KID)
			}
		}
		if _, err := x509.ParsePKCS8PrivateKey(key.Sealed); err == nil {
			t.Errorf("%s is not sealed", key.KID)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	var all []byte
	for _, suffix := range []string{"", "-wal"} {
		part, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, part...)
	}
	return all
}

// TestASnapshotThatTheDatabasesClockHasLeftBehindSignsNothing: the clock of a machine
// that slept stood still.
func TestASnapshotThatTheDatabasesClockHasLeftBehindSignsNothing(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	if _, err := a.Signer(t0.Add(keyring.MaxAge)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := a.Signer(t0.Add(keyring.MaxAge + time.Microsecond)); !errors.Is(err, keyring.ErrStale) {
		t.Errorf("past it: %v, want ErrStale", err)
	}
}

func TestAProcessWithAWrongClockSignsByTheDatabases(t *testing.T) {
	t.Parallel()
	now := time.Now().Add(-time.Hour)
	k := keyring.New(openStore(t, &now), keyring.NewSealer(issuer, secret.GenerateRoots()), quick, keyring.DatabaseClock{})
	if err := errors.Join(k.Start(t.Context()), k.Maintain(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Signer(now); err != nil {
		t.Error(err)
	}
	listed, at, err := k.List(t.Context())
	if err != nil || len(listed) != 2 || listed[1].ActivatesAt.Sub(at).Round(time.Minute) != policy.RotateEvery {
		t.Errorf("%+v at %s, %v", listed, at, err)
	}
}

// TestARequestFromBeforeTheSwitchIsSignedAfterIt: what it read of the clock is older
// than the snapshot, in which the old key's signer is gone.
func TestARequestFromBeforeTheSwitchIsSignedAfterIt(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.now = t0.Add(policy.RotateEvery)
	if err := errors.Join(a.Refresh(t.Context()), a.Maintain(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Signer(a.now.Add(-time.Second)); err != nil {
		t.Error(err)
	}
}

func TestNewKeysHaveTheSizeOfThePolicy(t *testing.T) {
	t.Parallel()
	now := t0
	large := policy
	large.Bits = 3072
	k := keyring.New(openStore(t, &now), keyring.NewSealer(issuer, secret.GenerateRoots()), large, keyring.DatabaseClock{})
	if err := k.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys, _, err := k.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if public, ok := k.Public(keys[0].KID); !ok || public.N.BitLen() != 3072 {
		t.Errorf("a key of %d bits, want 3072", public.N.BitLen())
	}
}
