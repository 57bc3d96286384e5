package verifier_test

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v2/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// library is another implementation, told to check what this one checks: signature by the kid's key and RS256, issuer,
// audience, times without leeway.
type library struct {
	name   string
	verify func(raw string) error
}

func libraries(t testing.TB, now func() time.Time, keys map[string]*rsa.PublicKey) []library {
	t.Helper()
	return []library{golangJWT(now, keys), goJOSE(now, keys), jwxJWT(t, now, keys)}
}

func golangJWT(now func() time.Time, keys map[string]*rsa.PublicKey) library {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(issuerURL), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(now))
	return library{"golang-jwt", func(raw string) error {
		_, err := parser.ParseWithClaims(raw, &jwt.RegisteredClaims{}, func(token *jwt.Token) (any, error) {
			kid, _ := token.Header["kid"].(string)
			if key := keys[kid]; key != nil {
				return key, nil
			}
			return nil, errors.New("no such key")
		})
		return err
	}}
}

func goJOSE(now func() time.Time, keys map[string]*rsa.PublicKey) library {
	return library{"go-jose", func(raw string) error {
		token, err := josejwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			return err
		}
		key := keys[token.Headers[0].KeyID]
		if key == nil {
			return errors.New("no such key")
		}
		var claims josejwt.Claims
		if err := token.Claims(key, &claims); err != nil {
			return err
		}
		expected := josejwt.Expected{Issuer: issuerURL, AnyAudience: josejwt.Audience{audience}, Time: now()}
		return claims.ValidateWithLeeway(expected, 0)
	}}
}

func jwxJWT(t testing.TB, now func() time.Time, keys map[string]*rsa.PublicKey) library {
	t.Helper()
	var list []any
	for kid, key := range keys {
		list = append(list, publicJWK(key, kid))
	}
	set, err := jwk.ParseString(encodeJSON(map[string]any{"keys": list}))
	if err != nil {
		t.Fatal(err)
	}
	return library{"jwx", func(raw string) error {
		_, err := jwxjwt.Parse([]byte(raw), jwxjwt.WithKeySet(set), jwxjwt.WithIssuer(issuerURL), jwxjwt.WithAudience(audience),
			jwxjwt.WithClock(jwxjwt.ClockFunc(now)), jwxjwt.WithAcceptableSkew(0))
		return err
	}}
}

// differ is what the verifier and the others say of tokens.
type differ struct {
	v      *verifier.Verifier
	others []library
}

func newDiffer(t testing.TB) differ {
	t.Helper()
	keys := map[string]*rsa.PublicKey{"first": &firstKey().PublicKey, "second": &secondKey().PublicKey}
	return differ{
		// Without a cache, which would hide what comes twice.
		v: newIssuer(firstKey(), secondKey()).ready(t, atEpoch(), verifier.WithLeeway(0), verifier.WithCacheSize(0),
			verifier.WithDPoP(verifier.DPoPOff)),
		others: libraries(t, func() time.Time { return epoch }, keys),
	}
}

// check raises the alarm if only the verifier accepts raw. One of the others may well refuse it alone: golang-jwt and jwx cut
// fractions off exp, jwx wants no space before a header and reads numbers that nobody asked for. It reports whether the
// verifier accepts, and how many of the others do.
func (d differ) check(t *testing.T, what, raw string) (ours bool, theirs int) {
	t.Helper()
	_, err := d.v.Verify(t.Context(), raw)
	var refusals []error
	for _, other := range d.others {
		if refused := other.verify(raw); refused != nil {
			refusals = append(refusals, fmt.Errorf("%s: %w", other.name, refused))
		}
	}
	if err == nil && len(refusals) == len(d.others) {
		t.Errorf("%s: only we accept %.600s\n%v", what, raw, errors.Join(refusals...))
	}
	return err == nil, len(d.others) - len(refusals)
}

// TestNothingIsAcceptedHereAlone holds the verifier against golang-jwt, go-jose and jwx on the hostile tokens and
// on two thousand damaged ones, signed anew or not.
func TestNothingIsAcceptedHereAlone(t *testing.T) {
	t.Parallel()
	d := newDiffer(t)
	raw := good(firstKey(), "first", epoch)
	if ours, theirs := d.check(t, "good", raw); !ours || theirs != len(d.others) {
		t.Fatalf("a good token: accepted here %v, by %d others", ours, theirs)
	}
	for _, h := range hostileTokens() {
		if len(h.raw) < 100_000 { // some of the others look at every byte of garbage
			d.check(t, h.name, h.raw)
		}
	}
	random := rand.New(rand.NewPCG(1, 2)) // the same tokens in every run
	accepted := 0
	for n := range 2000 {
		what, damaged := fmt.Sprint("damage ", n), ""
		switch n % 4 {
		case 0:
			damaged = sign(firstKey(), damage(random, goodHeader), claims(epoch, nil))
		case 1:
			damaged = sign(firstKey(), goodHeader, damage(random, claims(epoch, nil)))
		default:
			damaged = damage(random, raw)
		}
		if ours, _ := d.check(t, what, damaged); ours {
			accepted++
		}
	}
	if accepted == 0 || accepted > 800 {
		t.Errorf("%d of the damaged tokens are accepted: they test nothing", accepted)
	}
	for _, c := range oddClaims() {
		d.check(t, "odd claim "+c, sign(firstKey(), goodHeader, c))
	}
}

// damage changes text in one or two places: a byte, a piece that is doubled, cut out, or put in.
func damage(random *rand.Rand, text string) string {
	pieces := []string{
		".", "=", " ", "\n", `"`, `\`, `\u0000`, "{", "}", "[", "]", ",", ":", "0", "9", "e9", "-", "null", "true", `"x":1,`, `"aud":"x",`, `"exp":9e9,`,
		`"alg":"none",`, `"kid":"second",`, `"sub":"admin",`, "\x00", "\xff", "é", "A", "_", "/",
	}
	for range 1 + random.IntN(2) {
		at := random.IntN(len(text))
		until := min(len(text), at+1+random.IntN(8))
		switch random.IntN(4) {
		case 0:
			text = text[:at] + string(rune(random.IntN(128))) + text[at+1:]
		case 1:
			text = text[:until] + text[at:]
		case 2:
			text = text[:at] + text[until:]
		default:
			text = text[:at] + pieces[random.IntN(len(pieces))] + text[at:]
		}
		if text == "" {
			return "."
		}
	}
	return text
}

// oddClaims are payloads in which each claim in turn has each of many values.
func oddClaims() []string {
	values := []string{
		`null`, `true`, `""`, `"x"`, `0`, `1`, `-1`, `1.5`, `1e3`, `1e999`, `[]`, `{}`, `[null]`, `["x"]`, `1800000000`, `1800000000.5`, `1800000001`, `1799999999`,
		`9007199254740991`, `9007199254740993`, `1e10`, `18e8`, `18000000010e-1`, `"1800000300"`, encodeJSON(issuerURL), encodeJSON(audience), encodeJSON([]string{audience}),
		encodeJSON([]string{"x", audience}), encodeJSON([]any{audience, 1}), encodeJSON(strings.ToUpper(audience)), encodeJSON(issuerURL + "/"),
	}
	var all []string
	for _, claim := range []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "sid", "scope", "auth_time", "acr", "amr", "cnf", "status", "other"} {
		for _, value := range values {
			all = append(all, withNumber(claim, value))
		}
		all = append(all, claims(epoch, set{claim: nil}))
	}
	return all
}

// FuzzDifferential signs any header and payload.
func FuzzDifferential(f *testing.F) {
	d := newDiffer(f)
	f.Add(goodHeader, claims(epoch, nil))
	for _, c := range slices.Concat(oddClaims()[:40], []string{"{}", "[]", ""}) {
		f.Add(goodHeader, c)
	}
	f.Add(`{"alg":"RS256","typ":"application/at+jwt","kid":"first","x":1}`, claims(epoch, nil))
	f.Fuzz(func(t *testing.T, header, payload string) {
		if !json.Valid([]byte(header)) && len(payload) > 4096 {
			return
		}
		d.check(t, "fuzz", sign(firstKey(), header, payload))
	})
}
