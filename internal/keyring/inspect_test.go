package keyring_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mintmark-auth/mintmark/internal/keyring"
)

// TestListShowsWhenEachKeyChanges, as far as it is known, in order of activation.
func TestListShowsWhenEachKeyChanges(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, atRest(half(signing, foreign))...)
		r.ahead += time.Second
		keys, now, err := r.List(bound(t))
		if err != nil || !now.Equal(r.began.Add(time.Second)) {
			t.Errorf("at %s, %v; want the database's clock", now, err)
		}
		at := func(d time.Duration) time.Time { return r.began.Add(d) }
		turn := signing.signs
		want := []keyring.Listed{
			{State: keyring.Removed, RetiresAt: at(retired.signs), RemovedAt: at(retired.signs + quick.Retain)},
			{State: keyring.Revoked},
			{State: keyring.Retired, RetiresAt: at(turn), RemovedAt: at(turn + quick.Retain)},
			{State: keyring.Signing, SealedBy: 9, RetiresAt: at(standby.signs), RemovedAt: at(standby.signs + quick.Retain)},
			{State: keyring.Published, SealedBy: 1},
		}
		for i, key := range r.read() {
			want[i].Key, want[i].RipeAt = key.Key, key.PublishedAt.Add(quick.PublishAhead)
		}
		// What was revoked after its turn made the one before it retire.
		want[0].RetiresAt, want[0].RemovedAt = at(revoked.signs), at(revoked.signs+quick.Retain)
		if diff := cmp.Diff(keys, want); diff != "" {
			t.Errorf("(-got +want):\n%s", diff)
		}
		r.reading = nth(1)
		if _, _, err := r.List(bound(t)); !errors.Is(err, errDown) {
			t.Errorf("got %v, want %v", err, errDown)
		}
	})
}

// TestVerifyFindsEveryKindOfDamage in every state, and says what is published.
func TestVerifyFindsEveryKindOfDamage(t *testing.T) {
	t.Parallel()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	notRSA, err := x509.MarshalPKIXPublicKey(&curve.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	var all = []string{"removed", "revoked", "retired", "signing", "standby"}
	for name, c := range map[string]struct {
		damage func(k *keyring.Stored)
		want   error
		of     []string // in whose state it is damage
	}{
		"nothing":                  {func(*keyring.Stored) {}, nil, nil},
		"no private half":          {func(k *keyring.Stored) { k.Sealed = nil }, keyring.ErrDamaged, []string{"signing", "standby"}},
		"an edited half":           {func(k *keyring.Stored) { k.Sealed = []byte{1, 1, 0} }, keyring.ErrUnsealable, all},
		"no public half":           {func(k *keyring.Stored) { k.Public = nil }, keyring.ErrDamaged, all},
		"a public half not of RSA": {func(k *keyring.Stored) { k.Public = notRSA }, keyring.ErrDamaged, all},
		"another public half":      {func(k *keyring.Stored) { k.Public, _ = x509.MarshalPKIXPublicKey(&pairs()[7].PublicKey) }, keyring.ErrDamaged, all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				for i, hurt := range all {
					r := newRing(t, atRest()...)
					at := slices.IndexFunc(r.keys, func(k keyring.Stored) bool { return k.KID == r.kid(hurt) })
					c.damage(&r.keys[at])
					keys, published, err := r.Verify(bound(t))
					if err != nil {
						t.Fatal(err)
					}
					if got, want := r.named(published), []string{"retired", "signing", "standby"}; !slices.Equal(got, want) {
						t.Errorf("%v are published, want %v", got, want)
					}
					for j, key := range keys {
						want := c.want
						if i != j || !slices.Contains(c.of, hurt) {
							want = nil
						}
						if r.names[key.KID] != all[j] || !errors.Is(key.Problem, want) || want != nil && !strings.Contains(key.Problem.Error(), key.KID) {
							t.Errorf("%s of %s: %s has %v, want %v", name, hurt, r.names[key.KID], key.Problem, want)
						}
					}
				}
				r := newRing(t, atRest()...)
				r.reading = nth(1)
				if _, _, err := r.Verify(bound(t)); !errors.Is(err, errDown) {
					t.Errorf("got %v, want %v", err, errDown)
				}
			})
		})
	}
}

// TestKIDsAreReadOfPublicKeysAlone, each under the kid that is its own, and once.
func TestKIDsAreReadOfPublicKeysAlone(t *testing.T) {
	t.Parallel()
	member := func(i int, private bool, kid string) jwk.Key {
		var raw any = &pairs()[i].PublicKey
		if private {
			raw = pairs()[i]
		}
		key, err := jwk.FromRaw(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Set(jwk.KeyIDKey, kid); err != nil {
			t.Fatal(err)
		}
		return key
	}
	octets, err := jwk.FromRaw([]byte("a secret that signs"))
	if err != nil {
		t.Fatal(err)
	}
	if err := jwk.AssignKeyID(octets); err != nil {
		t.Fatal(err)
	}
	first, second := thumbprint(&pairs()[0].PublicKey), thumbprint(&pairs()[1].PublicKey)
	for name, c := range map[string]struct {
		keys []jwk.Key
		want []string
		err  string
	}{
		"two":       {[]jwk.Key{member(1, false, second), member(0, false, first)}, []string{second, first}, ""},
		"none":      {nil, nil, ""},
		"private":   {[]jwk.Key{member(1, false, second), member(0, true, first)}, nil, "not public: \"" + first},
		"secret":    {[]jwk.Key{octets}, nil, "not public: \"" + octets.KeyID()},
		"another's": {[]jwk.Key{member(0, false, second)}, nil, "another key under the kid \"" + second},
		"nobody's":  {[]jwk.Key{member(0, false, "")}, nil, "another key"},
		"twice":     {[]jwk.Key{member(0, false, first), member(0, false, first)}, nil, first + "\" twice"},
	} {
		set, err := json.Marshal(map[string]any{"keys": append([]jwk.Key{}, c.keys...)})
		if err != nil {
			t.Fatal(err)
		}
		got, err := keyring.KIDs(set)
		if !slices.Equal(got, c.want) || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, %v; want %v, %q", name, got, err, c.want, c.err)
		}
	}
	if kids, err := keyring.KIDs([]byte("<html>")); err == nil {
		t.Errorf("what is no JWKS: %v", kids)
	}
}
