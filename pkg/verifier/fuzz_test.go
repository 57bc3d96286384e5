package verifier_test

import (
	"crypto/rsa"
	"errors"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// FuzzVerify knows every token that the issuer ever signed: whatever else is accepted is forged, be it another spelling
// of one of them.
func FuzzVerify(f *testing.F) {
	key := seededKey()
	v := newIssuer(key).ready(f, atEpoch())
	signed := []string{
		good(key, "first", epoch),
		sign(key, goodHeader, claims(epoch, set{"aud": []string{"x", audience}, "scope": nil})),
	}
	for _, raw := range signed {
		f.Add(raw)
	}
	for i, h := range hostileTokens() {
		if i%7 == 0 && len(h.raw) < 4096 {
			f.Add(h.raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := v.Verify(t.Context(), raw)
		if err == nil && !slices.Contains(signed, raw) {
			t.Errorf("accepted a token that nobody signed: %q", raw)
		}
		if err != nil && (token != nil || !errors.Is(err, verifier.ErrInvalidToken) && !errors.Is(err, verifier.ErrKeysUnavailable)) {
			t.Errorf("got %v, %v", token, err)
		}
	})
}

// seededKey is the same in every process: the fuzzing engine starts several, and they must agree on what was signed.
func seededKey() *rsa.PrivateKey {
	random := rand.NewChaCha8([32]byte([]byte("only for tests, of no worth, ever"[:32])))
	e, one := big.NewInt(65537), big.NewInt(1)
	for {
		p, q := prime(random), prime(random)
		n := new(big.Int).Mul(p, q)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: 65537}, D: new(big.Int).ModInverse(e, phi), Primes: []*big.Int{p, q}}
		if key.D != nil && n.BitLen() == 2048 {
			key.Precompute()
			return key
		}
	}
}

func prime(random *rand.ChaCha8) *big.Int {
	candidate := make([]byte, 128)
	random.Read(candidate)
	candidate[0] |= 0xc0
	p := new(big.Int).SetBytes(candidate)
	p.SetBit(p, 0, 1)
	for !p.ProbablyPrime(0) {
		p.Add(p, big.NewInt(2))
	}
	return p
}

// FuzzClaims signs whatever payload comes: a token that is accepted is whole.
func FuzzClaims(f *testing.F) {
	v := newIssuer(firstKey()).ready(f, atEpoch())
	f.Add(claims(epoch, nil))
	f.Add(claims(epoch, set{"aud": []string{audience}}))
	f.Add(withNumber("exp", "1.9e9"))
	f.Fuzz(func(t *testing.T, payload string) {
		token, err := v.Verify(t.Context(), sign(firstKey(), goodHeader, payload))
		if err != nil {
			return
		}
		if token.Issuer != issuerURL || !slices.Contains(token.Audience(), audience) || !epoch.Before(token.Expiry) ||
			token.Subject == "" || token.ClientID == "" || token.ID == "" || token.IssuedAt.IsZero() {
			t.Errorf("accepted %+v", token)
		}
	})
}
