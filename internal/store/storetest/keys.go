package storetest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/revocation"
)

// Keys is the contract of [keyring.Store].
func Keys(t *testing.T, open OpenDurable) {
	keep(t, open, map[string]durableRule{
		"NoKeysAtFirst":                       noKeysAtFirst,
		"AnAddedKeyComesBack":                 addedKeyComesBack,
		"KeysComeInOrderOfActivation":         keysComeInOrder,
		"AKeyThatClashesAddsNothing":          clashingKeyAddsNothing,
		"ChoosingNothingAddsNothing":          choosingNothing,
		"OneOfManyAddsTheFirstKey":            oneOfManyAddsTheFirstKey,
		"ManyReplicasPlanningAddWhatOneWould": manyPlansAddOne,
		"AnUpdateCommitsWholeWithItsEvents":   updateCommitsWhole,
		"ARefusedDecisionChangesNothing":      refusedDecision,
		"ARevokedKeyStaysRevoked":             revokedStays,
		"AKeyWithoutItsPrivateHalfComesBack":  destroyedComesBack,
		"WithoutAChangeNobodyIsTold":          withoutAChangeNobodyIsTold,
		"EachChangeShowsWhereRevokedAreRead":  eachChangeShows,
		"ACancelledContextIsAnError":          cancelledKeyCalls,
	})
}

// NewKey is a key that nobody can sign with.
func NewKey(activates time.Time) keyring.Stored {
	thumbprint := make([]byte, 32)
	_, _ = rand.Read(thumbprint) // never fails
	return keyring.Stored{
		Key:    keyring.Key{KID: base64.RawURLEncoding.EncodeToString(thumbprint), Alg: keyring.RS256, ActivatesAt: activates},
		Public: []byte("public\x00\xff"), Sealed: []byte("sealed\x00\xff"),
	}
}

func readKeys(tb testing.TB, store Durable) []keyring.Stored {
	tb.Helper()
	keys, now, err := store.SigningKeys(tb.Context())
	if err != nil {
		tb.Fatalf("read signing keys: %v", err)
	}
	wantDatabaseTime(tb, "now", now)
	return keys
}

// addKeys adds the keys with an event each, and returns the clock they were added at.
func addKeys(tb testing.TB, store Durable, keys ...keyring.Stored) (at time.Time, err error) {
	tb.Helper()
	err = store.ChangeSigningKeys(tb.Context(), func(_ []keyring.Stored, now time.Time) (keyring.Change, error) {
		at = now
		change := keyring.Change{Add: keys}
		for range keys {
			change.Events = append(change.Events, audit.New(audit.KeyPublished, audit.BySystem()))
		}
		return change, nil
	})
	return at, err
}

// eachChangeShows in the reading that replicas make twice a second, and nothing else does.
func eachChangeShows(t *testing.T, store Durable) {
	state := func() string {
		reading, err := store.Revoked(t.Context(), revocation.Page{Within: time.Hour, Rows: 1})
		if err != nil {
			t.Fatal(err)
		}
		return reading.Keys
	}
	change := func(f func(keys []keyring.Stored, now time.Time) keyring.Change) {
		err := store.ChangeSigningKeys(t.Context(), func(keys []keyring.Stored, now time.Time) (keyring.Change, error) { return f(keys, now), nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]string{state(): "no key"}
	for _, step := range []struct {
		name string
		do   func(keys []keyring.Stored, now time.Time) keyring.Change
	}{
		{"a first key", func(_ []keyring.Stored, now time.Time) keyring.Change {
			return keyring.Change{Add: []keyring.Stored{NewKey(now.Add(time.Hour))}}
		}},
		{"a second key", func(_ []keyring.Stored, now time.Time) keyring.Change {
			return keyring.Change{Add: []keyring.Stored{NewKey(now.Add(2 * time.Hour))}}
		}},
		{"the second takes over earlier", func(keys []keyring.Stored, now time.Time) keyring.Change {
			keys[1].ActivatesAt = now.Add(90 * time.Minute)
			return keyring.Change{Update: keys[1:]}
		}},
		{"the second is revoked", func(keys []keyring.Stored, now time.Time) keyring.Change {
			keys[1].RevokedAt = now
			return keyring.Change{Update: keys[1:]}
		}},
		{"the first is revoked, at the same time", func(keys []keyring.Stored, _ time.Time) keyring.Change {
			keys[0].RevokedAt = keys[1].RevokedAt
			return keyring.Change{Update: keys[:1]}
		}},
	} {
		change(step.do)
		got := state()
		if before, known := seen[got]; known {
			t.Errorf("%s: the state %q is that of %s", step.name, got, before)
		}
		seen[got] = step.name
		createUser(t, store, "u"+base64.RawURLEncoding.EncodeToString([]byte{byte(len(seen))}))
		if again := state(); again != got {
			t.Errorf("%s: the state is %q, and %q without a change", step.name, got, again)
		}
	}
}

func noKeysAtFirst(t *testing.T, store Durable) {
	if keys := readKeys(t, store); len(keys) > 0 {
		t.Errorf("keys %+v, want none", keys)
	}
}

func addedKeyComesBack(t *testing.T, store Durable) {
	activates := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second).Add(123456 * time.Microsecond)
	fresh, old := NewKey(activates), NewKey(activates.Add(time.Hour+789*time.Nanosecond))
	old.PublishedAt, old.RevokedAt, old.Sealed = activates.Add(-time.Hour), activates.Add(time.Minute), nil
	at, err := addKeys(t, store, fresh, old)
	if err != nil {
		t.Fatal(err)
	}
	wantDatabaseTime(t, "now", at)
	fresh.PublishedAt = at
	old.ActivatesAt = old.ActivatesAt.Truncate(time.Microsecond)
	if diff := cmp.Diff(readKeys(t, store), []keyring.Stored{fresh, old}); diff != "" {
		t.Errorf("keys (-got +want):\n%s", diff)
	}
	wantEvents(t, store, audit.Query{}, audit.KeyPublished, audit.KeyPublished)
	var seen []keyring.Stored
	err = store.ChangeSigningKeys(t.Context(), func(keys []keyring.Stored, _ time.Time) (keyring.Change, error) {
		seen = keys
		return keyring.Change{}, nil
	})
	if diff := cmp.Diff(seen, readKeys(t, store)); diff != "" || err != nil {
		t.Errorf("keys to choose on: %v (-got +want):\n%s", err, diff)
	}
}

func keysComeInOrder(t *testing.T, store Durable) {
	begin := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	var want []keyring.Stored
	for i := range 5 {
		want = append(want, NewKey(begin.Add(time.Duration(i)*time.Microsecond)))
	}
	at, err := addKeys(t, store, want[3], want[0], want[4], want[2], want[1])
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		want[i].PublishedAt = at
	}
	if diff := cmp.Diff(readKeys(t, store), want); diff != "" {
		t.Errorf("keys (-got +want):\n%s", diff)
	}
}

func clashingKeyAddsNothing(t *testing.T, store Durable) {
	activates := time.Now().Add(time.Hour)
	first := NewKey(activates)
	if _, err := addKeys(t, store, first); err != nil {
		t.Fatal(err)
	}
	before := readKeys(t, store)
	sameKID := NewKey(activates.Add(2 * time.Hour))
	sameKID.KID = first.KID
	unpublished := NewKey(activates)
	unpublished.PublishedAt = activates.Add(time.Second)
	for name, clashing := range map[string]keyring.Stored{
		"the same turn": NewKey(activates), "the same kid": sameKID, "published after its turn": unpublished,
	} {
		if _, err := addKeys(t, store, NewKey(activates.Add(time.Hour)), clashing); err == nil {
			t.Errorf("%s: no error", name)
		}
		if diff := cmp.Diff(readKeys(t, store), before); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
	wantEvents(t, store, audit.Query{}, audit.KeyPublished)
}

func choosingNothing(t *testing.T, store Durable) {
	if _, err := addKeys(t, store); err != nil {
		t.Fatal(err)
	}
	if keys := readKeys(t, store); len(keys) > 0 {
		t.Errorf("keys %+v, want none", keys)
	}
}

func oneOfManyAddsTheFirstKey(t *testing.T, store Durable) {
	wantNoErrors(t, contend(t, func(ctx context.Context, _ int) error {
		return store.ChangeSigningKeys(ctx, func(keys []keyring.Stored, now time.Time) (change keyring.Change, err error) {
			if len(keys) == 0 {
				change.Add, change.Events = []keyring.Stored{NewKey(now)}, []audit.Event{audit.New(audit.KeyPublished, audit.BySystem())}
			}
			return change, nil
		})
	}))
	keys := readKeys(t, store)
	if len(keys) != 1 || !keys[0].PublishedAt.Equal(keys[0].ActivatesAt) {
		t.Errorf("keys %+v, want one that signs from its publication", keys)
	}
	wantEvents(t, store, audit.Query{}, audit.KeyPublished)
}

func manyPlansAddOne(t *testing.T, store Durable) {
	policy := keyring.Policy{RotateEvery: 720 * time.Hour, PublishAhead: 48 * time.Hour, Retain: 24 * time.Hour}
	wantNoErrors(t, contend(t, func(ctx context.Context, _ int) error {
		return store.ChangeSigningKeys(ctx, func(stored []keyring.Stored, now time.Time) (change keyring.Change, err error) {
			keys := make([]keyring.Key, len(stored))
			for i, k := range stored {
				keys[i] = k.Key
			}
			for _, step := range keyring.Plan(keys, now, policy) {
				change.Add = append(change.Add, NewKey(step.ActivatesAt))
				change.Events = append(change.Events, audit.New(audit.KeyPublished, audit.BySystem()))
			}
			return change, nil
		})
	}))
	if keys := readKeys(t, store); len(keys) != 2 || keys[1].ActivatesAt.Sub(keys[0].ActivatesAt) != policy.RotateEvery {
		t.Errorf("keys %+v, want the first and its standby", keys)
	}
}

func cancelledKeyCalls(t *testing.T, store Durable) {
	wantCancelled(t, map[string]func(context.Context) error{
		"SigningKeys": func(ctx context.Context) error { _, _, err := store.SigningKeys(ctx); return err },
		"ChangeSigningKeys": func(ctx context.Context) error {
			return store.ChangeSigningKeys(ctx, func(_ []keyring.Stored, now time.Time) (keyring.Change, error) {
				return keyring.Change{Add: []keyring.Stored{NewKey(now)}}, nil
			})
		},
		"AwaitSigningKeys": store.AwaitSigningKeys,
	})
	if keys := readKeys(t, store); len(keys) > 0 {
		t.Errorf("keys %+v, want none", keys)
	}
}

// withoutAChangeNobodyIsTold: whoever reads the keys each time it is told would spin.
func withoutAChangeNobodyIsTold(t *testing.T, store Durable) {
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		wantError(t, "await", store.AwaitSigningKeys(ctx), context.Canceled)
	}
}

// updateKeys carries out an update of the keys, with one event.
func updateKeys(tb testing.TB, store Durable, keys ...keyring.Stored) error {
	tb.Helper()
	return store.ChangeSigningKeys(tb.Context(), func([]keyring.Stored, time.Time) (keyring.Change, error) {
		return keyring.Change{Update: keys, Events: []audit.Event{audit.New(audit.KeyRotated, audit.ByOperator("root"))}}, nil
	})
}

func updateCommitsWhole(t *testing.T, store Durable) {
	signs := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	first, standby := NewKey(signs), NewKey(signs.Add(time.Hour))
	at, err := addKeys(t, store, first, standby)
	if err != nil {
		t.Fatal(err)
	}
	first.PublishedAt, standby.PublishedAt = at, at
	first.RevokedAt, first.Sealed = signs.Add(time.Minute), nil
	standby.ActivatesAt, standby.Sealed = signs.Add(time.Minute), []byte("sealed anew")
	if err := updateKeys(t, store, first, standby); err != nil {
		t.Fatal(err)
	}
	want := []keyring.Stored{first, standby}
	if diff := cmp.Diff(readKeys(t, store), want); diff != "" {
		t.Errorf("keys (-got +want):\n%s", diff)
	}
	wantEvents(t, store, audit.Query{Kind: audit.KeyRotated}, audit.KeyRotated)

	other := standby
	other.Sealed = []byte("sealed once more")
	if err := updateKeys(t, store, other, NewKey(signs)); !errors.Is(err, keyring.ErrUnknownKey) {
		t.Errorf("update of a key that is not there: %v, want ErrUnknownKey", err)
	}
	clashing := standby
	clashing.ActivatesAt = first.ActivatesAt
	if err := updateKeys(t, store, clashing); err == nil {
		t.Error("two keys have the same turn")
	}
	if diff := cmp.Diff(readKeys(t, store), want); diff != "" {
		t.Errorf("keys after updates that failed (-got +want):\n%s", diff)
	}
	wantEvents(t, store, audit.Query{Kind: audit.KeyRotated}, audit.KeyRotated)
}

func refusedDecision(t *testing.T, store Durable) {
	refused := errors.New("refused")
	err := store.ChangeSigningKeys(t.Context(), func(_ []keyring.Stored, now time.Time) (keyring.Change, error) {
		return keyring.Change{Add: []keyring.Stored{NewKey(now)}}, refused
	})
	if !errors.Is(err, refused) {
		t.Errorf("got %v, want the error of the decision", err)
	}
	if keys := readKeys(t, store); len(keys) > 0 {
		t.Errorf("keys %+v, want none", keys)
	}
}

// revokedStays is K6: what no code of ours would do, the schema refuses.
func revokedStays(t *testing.T, store Durable) {
	key := NewKey(time.Now().Add(time.Hour))
	if _, err := addKeys(t, store, key); err != nil {
		t.Fatal(err)
	}
	revoked := readKeys(t, store)[0]
	revoked.RevokedAt = revoked.ActivatesAt
	if err := updateKeys(t, store, revoked); err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]time.Time{"never": {}, "later": revoked.RevokedAt.Add(time.Hour)} {
		back := revoked
		back.RevokedAt = at
		if err := updateKeys(t, store, back); err == nil {
			t.Errorf("a revoked key can be made revoked %s", name)
		}
	}
	gone := revoked
	gone.Sealed = nil
	if err := updateKeys(t, store, gone); err != nil {
		t.Errorf("the private half of a revoked key can't be destroyed: %v", err)
	}
	if diff := cmp.Diff(readKeys(t, store), []keyring.Stored{gone}); diff != "" {
		t.Errorf("keys (-got +want):\n%s", diff)
	}
}

// AddRevokedKey puts a key there that was revoked and has no private half any more.
func AddRevokedKey(tb testing.TB, store Durable) {
	tb.Helper()
	key := NewKey(time.Now().Add(time.Hour))
	key.RevokedAt, key.Sealed = key.ActivatesAt, nil
	if _, err := addKeys(tb, store, key); err != nil {
		tb.Fatal(err)
	}
}

func destroyedComesBack(t *testing.T, store Durable) {
	key := NewKey(time.Now().Add(time.Hour))
	key.Sealed = nil
	if _, err := addKeys(t, store, key); err != nil {
		t.Fatal(err)
	}
	if keys := readKeys(t, store); len(keys) != 1 || keys[0].Sealed != nil || keys[0].SealedBy() != 0 {
		t.Errorf("keys %+v, want one that nothing seals", keys)
	}
}
