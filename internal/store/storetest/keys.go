package storetest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/keyring"
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
		"ACancelledContextIsAnError":          cancelledKeyCalls,
	})
}

// newKey is a key that nobody can sign with.
func newKey(activates time.Time) keyring.Stored {
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
	err = store.AddSigningKeys(tb.Context(), func(_ []keyring.Stored, now time.Time) ([]keyring.Stored, []audit.Event) {
		at = now
		var events []audit.Event
		for range keys {
			events = append(events, audit.New(audit.KeyPublished, "system"))
		}
		return keys, events
	})
	return at, err
}

func noKeysAtFirst(t *testing.T, store Durable) {
	if keys := readKeys(t, store); len(keys) > 0 {
		t.Errorf("keys %+v, want none", keys)
	}
}

func addedKeyComesBack(t *testing.T, store Durable) {
	activates := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second).Add(123456 * time.Microsecond)
	fresh, old := newKey(activates), newKey(activates.Add(time.Hour+789*time.Nanosecond))
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
	err = store.AddSigningKeys(t.Context(), func(keys []keyring.Stored, _ time.Time) ([]keyring.Stored, []audit.Event) {
		seen = keys
		return nil, nil
	})
	if diff := cmp.Diff(seen, readKeys(t, store)); diff != "" || err != nil {
		t.Errorf("keys to choose on: %v (-got +want):\n%s", err, diff)
	}
}

func keysComeInOrder(t *testing.T, store Durable) {
	begin := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	var want []keyring.Stored
	for i := range 5 {
		want = append(want, newKey(begin.Add(time.Duration(i)*time.Microsecond)))
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
	first := newKey(activates)
	if _, err := addKeys(t, store, first); err != nil {
		t.Fatal(err)
	}
	before := readKeys(t, store)
	sameKID := newKey(activates.Add(2 * time.Hour))
	sameKID.KID = first.KID
	unpublished := newKey(activates)
	unpublished.PublishedAt = activates.Add(time.Second)
	for name, clashing := range map[string]keyring.Stored{
		"the same turn": newKey(activates), "the same kid": sameKID, "published after its turn": unpublished,
	} {
		if _, err := addKeys(t, store, newKey(activates.Add(time.Hour)), clashing); err == nil {
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
		return store.AddSigningKeys(ctx, func(keys []keyring.Stored, now time.Time) ([]keyring.Stored, []audit.Event) {
			if len(keys) > 0 {
				return nil, nil
			}
			return []keyring.Stored{newKey(now)}, []audit.Event{audit.New(audit.KeyPublished, "system")}
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
		return store.AddSigningKeys(ctx, func(stored []keyring.Stored, now time.Time) (chosen []keyring.Stored, events []audit.Event) {
			keys := make([]keyring.Key, len(stored))
			for i, k := range stored {
				keys[i] = k.Key
			}
			for _, step := range keyring.Plan(keys, now, policy) {
				chosen = append(chosen, newKey(step.ActivatesAt))
				events = append(events, audit.New(audit.KeyPublished, "system"))
			}
			return chosen, events
		})
	}))
	if keys := readKeys(t, store); len(keys) != 2 || keys[1].ActivatesAt.Sub(keys[0].ActivatesAt) != policy.RotateEvery {
		t.Errorf("keys %+v, want the first and its standby", keys)
	}
}

func cancelledKeyCalls(t *testing.T, store Durable) {
	wantCancelled(t, map[string]func(context.Context) error{
		"SigningKeys": func(ctx context.Context) error { _, _, err := store.SigningKeys(ctx); return err },
		"AddSigningKeys": func(ctx context.Context) error {
			return store.AddSigningKeys(ctx, func(_ []keyring.Stored, now time.Time) ([]keyring.Stored, []audit.Event) {
				return []keyring.Stored{newKey(now)}, nil
			})
		},
	})
	if keys := readKeys(t, store); len(keys) > 0 {
		t.Errorf("keys %+v, want none", keys)
	}
}
