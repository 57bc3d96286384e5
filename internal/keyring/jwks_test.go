package keyring_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/secret"
)

// TestPublishedKeysAreLongEnoughAndInShortestForm holds the members against RFC
// 7518: §3.3 wants 2048 bits or more, §6.3.1 no zero octets in front.
func TestPublishedKeysAreLongEnoughAndInShortestForm(t *testing.T) {
	t.Parallel()
	now := t0
	k := keyring.New(openStore(t, &now), keyring.NewSealer(issuer, secret.GenerateRoots()), policy, keyring.DatabaseClock{})
	if err := errors.Join(k.Start(t.Context()), k.Maintain(t.Context())); err != nil {
		t.Fatal(err)
	}
	published, _ := k.JWKS()
	var set struct {
		Keys []struct{ Kty, Use, Alg, Kid, N, E string }
	}
	if err := json.Unmarshal(published.Body, &set); err != nil || len(set.Keys) != 2 {
		t.Fatalf("%v: %s", err, published.Body)
	}
	kids := make(map[string]bool)
	for _, key := range set.Keys {
		if key.Kty != "RSA" || key.Use != "sig" || key.Alg != "RS256" || kids[key.Kid] {
			t.Errorf("got %+v, want an RSA key for RS256 signatures with a kid of its own", key)
		}
		kids[key.Kid] = true
		n, err := base64.RawURLEncoding.Strict().DecodeString(key.N)
		if err != nil || len(n) < 256 || n[0] < 0x80 {
			t.Errorf("modulus of %d octets, %v; want 2048 bits", len(n), err)
		}
		if key.E != "AQAB" {
			t.Errorf("exponent %q, want 65537 in three octets", key.E)
		}
	}
}
