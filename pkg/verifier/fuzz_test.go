package verifier_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// FuzzVerify knows every token that the issuer ever signed: whatever else is accepted is forged, be it another spelling
// of one of them.
func FuzzVerify(f *testing.F) {
	v := newIssuer(firstKey(), secondKey()).verifier(f, atEpoch())
	signed := []string{
		good(firstKey(), "first", epoch),
		good(secondKey(), "second", epoch),
		sign(firstKey(), goodHeader, claims(epoch, set{"aud": []string{"x", audience}, "scope": nil})),
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
		if err != nil && (token != nil || !errors.Is(err, verifier.ErrInvalidToken)) {
			t.Errorf("got %v, %v", token, err)
		}
	})
}

// FuzzClaims signs whatever payload comes: a token that is accepted is whole.
func FuzzClaims(f *testing.F) {
	v := newIssuer(firstKey()).verifier(f, atEpoch())
	f.Add(claims(epoch, nil))
	f.Add(claims(epoch, set{"aud": []string{audience}}))
	f.Add(withNumber("exp", "1.9e9"))
	f.Fuzz(func(t *testing.T, payload string) {
		token, err := v.Verify(t.Context(), sign(firstKey(), goodHeader, payload))
		if err != nil {
			return
		}
		if token.Issuer != issuerURL || !slices.Contains(token.Audience, audience) || !epoch.Before(token.Expiry) ||
			token.Subject == "" || token.ClientID == "" || token.ID == "" || token.IssuedAt.IsZero() {
			t.Errorf("accepted %+v", token)
		}
	})
}
