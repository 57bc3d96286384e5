package keyring_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mintmark-auth/mintmark/internal/keyring"
)

var (
	t0     = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	policy = keyring.Policy{RotateEvery: 30 * 24 * time.Hour, PublishAhead: 48 * time.Hour, Retain: 24 * time.Hour}
)

func key(kid string, activates time.Time) keyring.Key {
	return keyring.Key{KID: kid, Alg: keyring.RS256, PublishedAt: t0, ActivatesAt: activates}
}

func TestPlanHasOneRule(t *testing.T) {
	t.Parallel()
	now := t0.Add(100 * 24 * time.Hour)
	revoked := key("c", now.Add(72*time.Hour))
	revoked.RevokedAt = now
	cases := map[string]struct {
		keys []keyring.Key
		want []time.Time
	}{
		"an empty table gets a key that signs now":               {nil, []time.Time{now}},
		"a first key gets a standby one rotation later":          {[]keyring.Key{key("a", now)}, []time.Time{now.Add(policy.RotateEvery)}},
		"a standby that is far enough ahead is enough":           {[]keyring.Key{key("a", now), key("b", now.Add(policy.PublishAhead+1))}, nil},
		"a standby about to activate gets its own standby":       {[]keyring.Key{key("a", now), key("b", now.Add(policy.PublishAhead))}, []time.Time{now.Add(policy.PublishAhead + policy.RotateEvery)}},
		"an old key gets a standby as soon as it can be ripe":    {[]keyring.Key{key("a", t0)}, []time.Time{now.Add(policy.PublishAhead)}},
		"in whatever order the keys are":                         {[]keyring.Key{key("b", now.Add(policy.PublishAhead+1)), key("a", now)}, nil},
		"a revoked standby is none":                              {[]keyring.Key{key("a", now), revoked}, []time.Time{now.Add(policy.RotateEvery)}},
		"when all are revoked the next still is published first": {[]keyring.Key{revoked}, []time.Time{now.Add(policy.PublishAhead)}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []time.Time
			for _, step := range keyring.Plan(c.keys, now, policy) {
				got = append(got, step.ActivatesAt)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("activations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKeyLivesThroughItsStates(t *testing.T) {
	t.Parallel()
	keys := []keyring.Key{key("a", t0), key("b", t0.Add(policy.RotateEvery))}
	cases := []struct {
		kid  string
		at   time.Duration
		want keyring.State
	}{
		{"a", -1, keyring.Published},
		{"a", 0, keyring.Signing},
		{"b", 0, keyring.Published},
		{"a", policy.RotateEvery - 1, keyring.Signing},
		{"a", policy.RotateEvery, keyring.Retired},
		{"b", policy.RotateEvery, keyring.Signing},
		{"a", policy.RotateEvery + policy.Retain - 1, keyring.Retired},
		{"a", policy.RotateEvery + policy.Retain, keyring.Removed},
	}
	for _, c := range cases {
		k := keys[0]
		if c.kid == "b" {
			k = keys[1]
		}
		if got := keyring.StateAt(k, keys, t0.Add(c.at), policy); got != c.want {
			t.Errorf("%s at +%s: got %s, want %s", c.kid, c.at, got, c.want)
		}
	}
}

func TestKeyRevokedBeforeItsTurnNeverActivates(t *testing.T) {
	t.Parallel()
	early := key("b", t0.Add(time.Hour))
	early.RevokedAt = t0.Add(time.Minute)
	keys := []keyring.Key{key("a", t0), early}
	later := t0.Add(2 * time.Hour)
	if got, _ := keyring.SigningAt(keys, later); got.KID != "a" {
		t.Errorf("signing: got %q, want a", got.KID)
	}
	if got := keyring.StateAt(keys[0], keys, later, policy); got != keyring.Signing {
		t.Errorf("a: got %s, want signing: nothing retired it", got)
	}
	if got := keyring.StateAt(early, keys, later, policy); got != keyring.Revoked {
		t.Errorf("b: got %s, want revoked", got)
	}
}

// TestScheduledKeysKeepTheirPromises lets the plan run by itself for a virtual
// year with polls that come late or not at all: K1, K2, K3 and K8 at every poll.
func TestScheduledKeysKeepTheirPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		p := keyring.Policy{
			PublishAhead: time.Duration(rapid.IntRange(1, 72).Draw(r, "ahead")) * time.Hour,
			Retain:       time.Duration(rapid.IntRange(1, 48).Draw(r, "retain")) * time.Hour,
		}
		p.RotateEvery = p.PublishAhead * time.Duration(rapid.IntRange(2, 20).Draw(r, "rotate"))
		var keys []keyring.Key
		now := t0
		for i := range rapid.IntRange(10, 120).Draw(r, "polls") {
			for _, step := range keyring.Plan(keys, now, p) {
				keys = append(keys, keyring.Key{KID: fmt.Sprint(len(keys)), Alg: step.Alg, PublishedAt: now, ActivatesAt: step.ActivatesAt})
			}
			if i > 0 && len(keys) < 2 {
				r.Fatal("K8: no standby after the first poll")
			}
			assertOneSigns(r, keys, now, p)
			now = now.Add(time.Duration(rapid.Int64Range(int64(time.Second), int64(3*p.PublishAhead)).Draw(r, "skip")))
		}
		for _, k := range keys[1:] {
			if k.ActivatesAt.Sub(k.PublishedAt) < p.PublishAhead {
				r.Fatalf("K2: key %s was published only %s ahead", k.KID, k.ActivatesAt.Sub(k.PublishedAt))
			}
		}
	})
}

func assertOneSigns(r *rapid.T, keys []keyring.Key, now time.Time, p keyring.Policy) {
	signing := 0
	for _, k := range keys {
		if keyring.StateAt(k, keys, now, p) == keyring.Signing {
			signing++
			if at, ok := keyring.SigningAt(keys, now); !ok || at.KID != k.KID {
				r.Fatalf("SigningAt says %q, StateAt says %q", at.KID, k.KID)
			}
		}
	}
	if signing != 1 {
		r.Fatalf("K1: %d keys sign at %s", signing, now)
	}
}
