package verifier_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// signer signs by one algorithm.
type signer struct {
	alg  string
	jwk  set
	sign func(signed string) []byte
}

// compact makes a JWS of payload under kid.
func (s signer) compact(header set, payload string) string {
	signed := b64(encodeJSON(header.onto(map[string]any{"alg": s.alg}))) + "." + b64(payload)
	return signed + "." + b64(s.sign(signed))
}

// token makes a good access token, named by the algorithm.
func (s signer) token() string {
	return s.compact(set{"typ": "at+jwt", "kid": s.alg}, claims(epoch, nil))
}

func sum(hash crypto.Hash, text string) []byte {
	h := hash.New()
	h.Write([]byte(text))
	return h.Sum(nil)
}

func newECDSA(t testing.TB, alg string, curve elliptic.Curve, hash crypto.Hash) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	size := len(point) / 2
	return signer{
		alg: alg,
		jwk: set{"kty": "EC", "crv": curve.Params().Name, "x": b64(point[1 : 1+size]), "y": b64(point[1+size:])},
		sign: func(signed string) []byte {
			r, s, err := ecdsa.Sign(rand.Reader, key, sum(hash, signed))
			if err != nil {
				t.Fatal(err)
			}
			return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
		},
	}
}

func newEd25519(t testing.TB) signer {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{
		alg:  "EdDSA",
		jwk:  set{"kty": "OKP", "crv": "Ed25519", "x": b64(public)},
		sign: func(signed string) []byte { return ed25519.Sign(key, []byte(signed)) },
	}
}

func newRSA(t testing.TB, alg string, hash crypto.Hash, pss bool) signer {
	t.Helper()
	public := publicJWK(&firstKey().PublicKey, "")
	return signer{
		alg: alg,
		jwk: set{"kty": "RSA", "n": public["n"], "e": public["e"]},
		sign: func(signed string) []byte {
			signature, err := rsa.SignPKCS1v15(nil, firstKey(), hash, sum(hash, signed))
			if pss {
				options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
				signature, err = rsa.SignPSS(rand.Reader, firstKey(), hash, sum(hash, signed), options)
			}
			if err != nil {
				t.Fatal(err)
			}
			return signature
		},
	}
}

func signers(t testing.TB) []signer {
	t.Helper()
	return []signer{
		newRSA(t, "RS256", crypto.SHA256, false), newRSA(t, "RS384", crypto.SHA384, false), newRSA(t, "RS512", crypto.SHA512, false),
		newRSA(t, "PS256", crypto.SHA256, true), newRSA(t, "PS384", crypto.SHA384, true), newRSA(t, "PS512", crypto.SHA512, true),
		newECDSA(t, "ES256", elliptic.P256(), crypto.SHA256), newECDSA(t, "ES384", elliptic.P384(), crypto.SHA384),
		newECDSA(t, "ES512", elliptic.P521(), crypto.SHA512), newEd25519(t),
	}
}

var extraAlgorithms = []string{"RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// publish makes the keys of all signers those of an issuer, each named and pinned by its algorithm.
func publish(all []signer, change set) *issuer {
	var list []any
	for _, s := range all {
		jwk := set{"kid": s.alg, "alg": s.alg}.onto(copied(s.jwk))
		list = append(list, change.onto(jwk))
	}
	i := newIssuer()
	i.answer(encodeJSON(map[string]any{"keys": list}))
	return i
}

func TestEveryAlgorithmVerifiesItsOwnKeyAndNoOther(t *testing.T) {
	t.Parallel()
	all := signers(t)
	v := publish(all, nil).ready(t, atEpoch(), verifier.WithAlgorithms(extraAlgorithms...))
	for _, s := range all {
		if _, err := v.Verify(t.Context(), s.token()); err != nil {
			t.Errorf("%s: %v", s.alg, err)
		}
		for _, other := range all {
			if other.alg == s.alg {
				continue
			}
			// The right signature under the kid of a key that is pinned to another algorithm, and the same with
			// that algorithm's name.
			raw := s.compact(set{"typ": "at+jwt", "kid": other.alg}, claims(epoch, nil))
			renamed := s.compact(set{"typ": "at+jwt", "kid": s.alg, "alg": other.alg}, claims(epoch, nil))
			for _, raw := range []string{raw, renamed} {
				if _, err := v.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrInvalidToken) {
					t.Errorf("%s under the key of %s: got %v", s.alg, other.alg, err)
				}
			}
		}
	}
}

func TestOnlyRS256IsAcceptedUnlessAskedFor(t *testing.T) {
	t.Parallel()
	all := signers(t)
	v := publish(all, nil).ready(t, atEpoch())
	for _, s := range all {
		if _, err := v.Verify(t.Context(), s.token()); (err == nil) != (s.alg == "RS256") {
			t.Errorf("%s: %v", s.alg, err)
		}
	}
	v = publish(all, nil).ready(t, atEpoch(), verifier.WithAlgorithms("ES256"))
	for _, s := range all {
		if _, err := v.Verify(t.Context(), s.token()); (err == nil) != (s.alg == "RS256" || s.alg == "ES256") {
			t.Errorf("with ES256: %s: %v", s.alg, err)
		}
	}
}

func TestAKeyWithoutAlgorithmHasThatOfItsKind(t *testing.T) {
	t.Parallel()
	all := signers(t)
	v := publish(all, set{"alg": nil}).ready(t, atEpoch(), verifier.WithAlgorithms(extraAlgorithms...))
	for _, s := range all {
		want := slices.Contains([]string{"RS256", "ES256", "ES384", "ES512", "EdDSA"}, s.alg)
		if _, err := v.Verify(t.Context(), s.token()); (err == nil) != want {
			t.Errorf("%s: %v", s.alg, err)
		}
	}
}

func TestNoOptionBringsNoneOrHMAC(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"none", "None", "", "HS256", "HS384", "HS512", "RS1", "RS256 ", "ES256K", "Ed448", "dir", "A128GCM", "RSA1_5"} {
		if _, err := verifier.New(issuerURL, audience, verifier.WithAlgorithms("ES256", alg)); err == nil {
			t.Errorf("New accepted %q", alg)
		}
	}
}

// TestForgedECDSASignaturesAreRefused is JWS-07 and its kin.
func TestForgedECDSASignaturesAreRefused(t *testing.T) {
	t.Parallel()
	s := newECDSA(t, "ES256", elliptic.P256(), crypto.SHA256)
	v := publish([]signer{s}, nil).ready(t, atEpoch(), verifier.WithAlgorithms("ES256"))
	raw := s.token()
	if _, err := v.Verify(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	signed := raw[:strings.LastIndexByte(raw, '.')]
	signature := s.sign(signed)
	n := elliptic.P256().Params().N
	wide := func(r, s *big.Int) []byte {
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	r, one := new(big.Int).SetBytes(signature[:32]), big.NewInt(1)
	asn1, err := ecdsaASN1(signature)
	if err != nil {
		t.Fatal(err)
	}
	for name, forged := range map[string][]byte{
		"JWS-07 zeros": make([]byte, 64), "JWS-07 r=0": wide(new(big.Int), one), "JWS-07 s=0": wide(r, new(big.Int)), "s=n": wide(r, n),
		"r=n": wide(n, one), "r=s=1": wide(one, one), "ones": []byte(strings.Repeat("\xff", 64)), "truncated": signature[:63], "extended": append(slices.Clone(signature), 0),
		"half": signature[:32], "swapped": append(slices.Clone(signature[32:]), signature[:32]...), "ASN.1": asn1, "a zero before s": slices.Insert(slices.Clone(signature), 32, 0), "of P-521": make([]byte, 132),
	} {
		if _, err := v.Verify(t.Context(), signed+"."+b64(forged)); !errors.Is(err, verifier.ErrInvalidToken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func ecdsaASN1(signature []byte) ([]byte, error) {
	integer := func(b []byte) []byte {
		b = new(big.Int).SetBytes(b).Bytes()
		if b[0] >= 0x80 {
			b = append([]byte{0}, b...)
		}
		return append([]byte{2, byte(len(b))}, b...)
	}
	body := append(integer(signature[:32]), integer(signature[32:])...)
	return append([]byte{0x30, byte(len(body))}, body...), nil
}

func TestKeysThatDoNotFitTheirAlgorithmAreSkipped(t *testing.T) {
	t.Parallel()
	p256, p384 := newECDSA(t, "ES256", elliptic.P256(), crypto.SHA256), newECDSA(t, "ES384", elliptic.P384(), crypto.SHA384)
	ed := newEd25519(t)
	x, y := mustDecode(t, p256.jwk["x"].(string)), mustDecode(t, p256.jwk["y"].(string))
	shortened, lengthened := b64(x[:31]), b64(append([]byte{x[31]}, y...)) // one after the other, the same point
	for name, jwk := range map[string]set{
		"EC called PS256": set{"alg": "PS256"}.onto(copied(p256.jwk)), "RSA called ES256": {"kty": "RSA", "alg": "ES256", "n": b64(firstKey().N.Bytes()), "e": "AQAB"},
		"P-384 called ES256": set{"alg": "ES256"}.onto(copied(p384.jwk)), "P-256 named P-384": set{"crv": "P-384", "alg": "ES384"}.onto(copied(p256.jwk)),
		"off the curve": set{"alg": "ES256", "y": p256.jwk["x"]}.onto(copied(p256.jwk)), "at infinity": {"kty": "EC", "crv": "P-256", "alg": "ES256", "x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))},
		"shifted": set{"alg": "ES256", "x": shortened, "y": lengthened}.onto(copied(p256.jwk)), "short x": set{"alg": "ES256", "x": b64("x")}.onto(copied(p256.jwk)), "without y": set{"alg": "ES256", "y": nil}.onto(copied(p256.jwk)),
		"private EC": set{"alg": "ES256", "d": b64(make([]byte, 32))}.onto(copied(p256.jwk)), "private Ed25519": set{"d": b64(make([]byte, 32))}.onto(copied(ed.jwk)),
		"short Ed25519": {"kty": "OKP", "crv": "Ed25519", "x": b64(make([]byte, 31))}, "X25519": {"kty": "OKP", "crv": "X25519", "alg": "EdDSA", "x": b64(make([]byte, 32))},
		"secp256k1": set{"crv": "secp256k1"}.onto(copied(p256.jwk)), "oct": {"kty": "oct", "k": "AAAA", "alg": "HS256"},
	} {
		i := newIssuer()
		i.answer(encodeJSON(map[string]any{"keys": []any{
			set{"kid": "odd"}.onto(jwk), publicJWK(&secondKey().PublicKey, "second"),
		}}))
		v := i.ready(t, atEpoch(), verifier.WithAlgorithms(extraAlgorithms...))
		if _, err := v.Verify(t.Context(), good(secondKey(), "second", epoch)); err != nil {
			t.Errorf("%s: it hides its neighbour: %v", name, err)
		}
		for _, alg := range []string{"ES256", "ES384", "PS256", "EdDSA", "RS256"} {
			_, unknown := v.Verify(t.Context(), p256.compact(set{"alg": alg, "typ": "at+jwt", "kid": "nobody's"}, claims(epoch.Add(-time.Second), nil))) // the keys are younger
			_, err := v.Verify(t.Context(), p256.compact(set{"alg": alg, "typ": "at+jwt", "kid": "odd"}, claims(epoch.Add(-time.Second), nil)))
			if err == nil || fmt.Sprint(err) != fmt.Sprint(unknown) {
				t.Errorf("%s by %s: got %v, want %v", name, alg, err, unknown)
			}
		}
	}
}
