package keyring_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/keyring"
)

// TestARefusalSaysWhenItMayBeHad, in times an operator can act on.
func TestARefusalSaysWhenItMayBeHad(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("east", 3600)
	now := t0.Add(12*time.Hour + time.Microsecond).In(east)
	next := keyring.Key{KID: "next", PublishedAt: t0, ActivatesAt: t0.Add(30 * day)}
	soon := keyring.Key{KID: "soon", PublishedAt: t0, ActivatesAt: now.Add(20 * time.Second)}
	just := keyring.Key{KID: "just", PublishedAt: t0.Add(-day), ActivatesAt: now.Add(-3*time.Second - tock)}
	gone := keyring.Key{KID: "gone", PublishedAt: t0.Add(-day), ActivatesAt: t0.Add(-day), RevokedAt: t0.In(east)}
	for _, c := range []struct {
		want string
		give func() (keyring.Switch, error)
		err  error
	}{
		{"key next is published since 2026-01-01T00:00:00Z and will be ripe at 2026-01-03T00:00:00Z, in 36h0m0s: ", func() (keyring.Switch, error) {
			return keyring.Rotate([]keyring.Key{just, next}, now, policy)
		}, keyring.ErrUnripe},
		{"key soon signs from 2026-01-01T12:00:20Z on, in 20s: ", func() (keyring.Switch, error) {
			return keyring.Rotate([]keyring.Key{just, soon}, now, policy)
		}, keyring.ErrSwitching},
		{"key just signs for 4s only: another switch comes first; if a second one is meant, try again in 7s", func() (keyring.Switch, error) {
			return keyring.RotateNow([]keyring.Key{just, next}, now)
		}, keyring.ErrSwitching},
		{"there is no standby to take over", func() (keyring.Switch, error) {
			return keyring.RotateNow([]keyring.Key{just}, now)
		}, keyring.ErrNoStandby},
		{"there is no standby to take over", func() (keyring.Switch, error) {
			return keyring.Revoke([]keyring.Key{just}, "just", now, 0)
		}, keyring.ErrNoStandby},
		{`key "nobody": `, func() (keyring.Switch, error) {
			return keyring.Revoke([]keyring.Key{just, next}, "nobody", now, 0)
		}, keyring.ErrUnknownKey},
		{"key gone: already revoked at 2026-01-01T00:00:00Z, for ever; nothing was changed", func() (keyring.Switch, error) {
			return keyring.Revoke([]keyring.Key{just, next, gone}, "gone", now, 0)
		}, keyring.ErrKeyRevoked},
	} {
		s, err := c.give()
		if !errors.Is(err, c.err) || !strings.HasPrefix(err.Error(), c.want) || s != (keyring.Switch{}) {
			t.Errorf("got %+v, %v; want %q", s, err, c.want)
		}
	}
}

// TestAFreshTurnIsTheTurnOfNoOtherKey: of two keys with one turn nobody could say which signs.
func TestAFreshTurnIsTheTurnOfNoOtherKey(t *testing.T) {
	t.Parallel()
	at := t0.Add(keyring.RotateLead)
	keys := []keyring.Key{key("now", t0.Add(-day)), key("next", t0.Add(9*day))}
	for _, taken := range []time.Duration{1, 0, 3, 2} { // in no order
		keys = append(keys, key("gone", at.Add(taken*time.Microsecond)))
		keys[len(keys)-1].RevokedAt = t0
	}
	s, err := keyring.Rotate(keys, t0, keyring.Policy{})
	if err != nil || !s.At.Equal(at.Add(4*time.Microsecond)) {
		t.Errorf("at %s, %v; want four ticks behind %s", s.At, err, at)
	}
}

// TestASwitchIsAppliedToItsKeysAlone, and what it makes is what it plans.
func TestASwitchIsAppliedToItsKeysAlone(t *testing.T) {
	t.Parallel()
	now, fresh := t0.Add(day), t0.Add(2*day)
	keys := []keyring.Key{key("a", t0), key("b", t0.Add(9*day)), key("c", t0.Add(30*day))}
	s := keyring.Switch{Revoked: keys[0], From: keys[0], To: keys[1], At: now.Add(time.Hour), FreshAt: fresh}
	want := []keyring.Key{keys[0], keys[1], keys[2], {Alg: keyring.RS256, PublishedAt: now, ActivatesAt: fresh}}
	want[0].RevokedAt, want[1].ActivatesAt = now, now.Add(time.Hour)
	if diff := cmp.Diff(s.Apply(keys, now), want); diff != "" {
		t.Errorf("keys (-got +want):\n%s", diff)
	}
	if keys[1].ActivatesAt != t0.Add(9*day) || !keys[0].RevokedAt.IsZero() {
		t.Error("the keys it was given are others")
	}
	long := keyring.Policy{PublishAhead: 40 * day, RotateEvery: 80 * day}
	steps := []keyring.Step{{Alg: keyring.RS256, ActivatesAt: fresh}, {Alg: keyring.RS256, ActivatesAt: t0.Add(110 * day)}}
	if diff := cmp.Diff(s.Steps(keys, now, long), steps); diff != "" {
		t.Errorf("steps (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff((keyring.Switch{}).Apply(keys, now), keys); diff != "" {
		t.Errorf("of no switch (-got +want):\n%s", diff)
	}
}

// TestTheTimesOfKeysFitTogether: each constant is what another relies on.
func TestTheTimesOfKeysFitTogether(t *testing.T) {
	t.Parallel()
	for rule, holds := range map[string]bool{
		"a switch is ordered further ahead than a replica signs on what it read before": keyring.RotateLead > keyring.MaxAge+keyring.PollEvery,
		"a key is published for two polls at least before it signs":                     keyring.Settled >= 2*keyring.PollEvery,
		"a snapshot outlives several polls that fail":                                   keyring.MaxAge >= 10*keyring.PollEvery,
		"a key settles before a switch that was ordered":                                keyring.Settled < keyring.RotateLead,
	} {
		if !holds {
			t.Error("no longer: " + rule)
		}
	}
}
