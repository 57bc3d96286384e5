package keyring_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/keyring"
)

// published are the names of the keys in the JWKS, in its order.
func (r *ring) published(t *testing.T) []string {
	t.Helper()
	set, ok := r.JWKS()
	if !ok {
		return nil
	}
	kids, err := keyring.KIDs(set.Body)
	if err != nil {
		t.Error(err)
	}
	return r.named(kids)
}

func (r *ring) named(kids []string) []string {
	r.name()
	var names []string
	for _, kid := range kids {
		names = append(names, r.names[kid])
	}
	return names
}

// signs is the name of the key that signs now, by the database's clock.
func (r *ring) signs(t *testing.T) string {
	t.Helper()
	signer, err := r.Signer(r.now())
	if err != nil {
		t.Error(err)
		return ""
	}
	r.name()
	return r.names[signer.KID()]
}

// TestAKeyLivesToTheTick follows one key through the very instants at which its life
// turns: what signs, what is in the JWKS, which keys are members of it, and which
// private halves are there.
func TestAKeyLivesToTheTick(t *testing.T) {
	t.Parallel()
	next := given{name: "next", published: -time.Hour, signs: 60 * day}
	const turn = day
	all := []string{"signing", "standby", "next"}
	halves := []string{"standby", "next"}
	for _, c := range []struct {
		at      time.Duration
		signs   string
		members []string
		halves  []string
	}{
		{turn - tock, "signing", all, all},
		{turn, "standby", all, all},
		{turn + tock, "standby", all, all},
		{turn + quick.Retain - tock, "standby", all, all},
		{turn + quick.Retain, "standby", halves, halves},
		{turn + quick.Retain + tock, "standby", halves, halves},
	} {
		t.Run(c.at.String(), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				r := newRing(t, signing, turning(standby, turn), next)
				time.Sleep(c.at)
				if err := errors.Join(r.Maintain(bound(t)), r.Refresh(bound(t))); err != nil {
					t.Fatal(err)
				}
				var members, there []string
				for _, key := range r.read() {
					if _, ok := r.Member(key.KID); ok {
						members = append(members, r.names[key.KID])
					}
					if key.Sealed != nil {
						there = append(there, r.names[key.KID])
					}
					if public, ok := r.Public(key.KID); !ok || thumbprint(public) != key.KID {
						t.Errorf("the public half of %s is gone", r.names[key.KID])
					}
				}
				for what, diff := range map[string]string{
					"signs": cmp.Diff(r.signs(t), c.signs), "in the JWKS": cmp.Diff(r.published(t), c.members),
					"members": cmp.Diff(members, c.members), "private halves": cmp.Diff(there, c.halves),
				} {
					if diff != "" {
						t.Errorf("%s (-got +want):\n%s", what, diff)
					}
				}
			})
		})
	}
}

// TestARevokedKeyIsOutAtTheVeryInstant, whatever it was, and stays known.
func TestARevokedKeyIsOutAtTheVeryInstant(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, atRest()...)
		for _, name := range []string{"signing", "retired", "removed"} {
			if _, err := r.Revoke(bound(t), r.kid(name), time.Hour, r.order()); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Refresh(bound(t)); err != nil {
			t.Fatal(err)
		}
		if got, want := r.published(t), []string{"standby", "new1", "new3", "new4", "new2"}; !slices.Equal(got, want) || r.signs(t) != "standby" {
			t.Errorf("%v are published, want %v", got, want)
		}
		for _, name := range []string{"signing", "retired", "removed", "revoked"} {
			_, member := r.Member(r.kid(name))
			if public, ok := r.Public(r.kid(name)); !ok || thumbprint(public) != r.kid(name) || member {
				t.Errorf("%s: known %v, member %v; want it known and no member", name, ok, member)
			}
		}
	})
}

// TestTheLifeOfAKeyIsDecidedToTheTick holds the pure functions at their bounds.
func TestTheLifeOfAKeyIsDecidedToTheTick(t *testing.T) {
	t.Parallel()
	const turn = 30 * day
	early, late, at := key("early", t0.Add(turn)), key("late", t0.Add(turn)), key("at", t0.Add(turn))
	early.RevokedAt, at.RevokedAt, late.RevokedAt = t0.Add(turn-tock), t0.Add(turn), t0.Add(turn+tock)
	first, far := key("first", t0), key("far", t0.Add(2*turn))
	for _, c := range []struct {
		name    string
		keys    []keyring.Key
		retires time.Duration // of the first; 0: never
	}{
		{"alone", []keyring.Key{first}, 0},
		{"the next is revoked before its turn", []keyring.Key{first, early}, 0},
		{"the next is revoked at its turn", []keyring.Key{first, at}, 0},
		{"the next is revoked after its turn", []keyring.Key{first, late}, turn},
		{"the nearest of two", []keyring.Key{far, late, first}, turn},
		{"the nearest of two, in order", []keyring.Key{first, late, far}, turn},
		{"the nearest does not count", []keyring.Key{far, early, first}, 2 * turn},
	} {
		retires, ok := keyring.RetiresAt(first, c.keys)
		if want := t0.Add(c.retires); ok != (c.retires != 0) || ok && !retires.Equal(want) {
			t.Errorf("%s: retires at %s, %v; want %s", c.name, retires, ok, want)
		}
	}
	for state, want := range map[keyring.State]struct{ member, signs bool }{
		keyring.Published: {true, true}, keyring.Signing: {true, true}, keyring.Retired: {true, false},
		keyring.Removed: {false, false}, keyring.Revoked: {false, false},
	} {
		if state.Member() != want.member || state.Signs() != want.signs {
			t.Errorf("%s: member %v, signs %v; want %+v", state, state.Member(), state.Signs(), want)
		}
	}
	near, nearer := key("near", t0.Add(turn)), key("nearer", t0.Add(turn-tock))
	for _, c := range []struct {
		at               time.Duration
		signing, standby string
	}{
		{-tock, "", "first"},
		{0, "first", "nearer"},
		{turn - 2*tock, "first", "nearer"},
		{turn - tock, "nearer", "near"},
		{turn, "near", "far"},
		{2 * turn, "far", ""},
	} {
		for _, keys := range [][]keyring.Key{{first, nearer, near, far}, {far, near, nearer, first}} {
			got, _ := keyring.SigningAt(keys, t0.Add(c.at))
			next, _ := keyring.StandbyAt(keys, t0.Add(c.at))
			if got.KID != c.signing || next.KID != c.standby {
				t.Errorf("at %s: %q signs and %q waits, want %q and %q", c.at, got.KID, next.KID, c.signing, c.standby)
			}
		}
	}
}
