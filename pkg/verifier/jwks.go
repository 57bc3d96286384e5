package verifier

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

const (
	maxKeys     = 100
	minModulus  = 2048 // bits; RFC 7518 §3.3
	maxModulus  = 8192 // bits; beyond, one verification costs more than a request should
	minExponent = 65537
)

// parseKeys returns the keys of a JWKS (RFC 7517 §5) that can verify one of algorithms, by kid. It skips other keys one
// by one, so that a key of a new kind doesn't hide the old ones. Of two keys with the same kid it takes the first. A
// JWKS without a usable key is an error: an issuer that signs has one.
func parseKeys(body string, algorithms []string, log *slog.Logger) (map[string]*key, error) {
	members, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	list := slices.IndexFunc(members, func(m member) bool { return m.name == "keys" })
	if list < 0 {
		return nil, errors.New(`it lacks the member "keys"`)
	}
	texts, ok := elementsOf(members[list].value)
	if !ok {
		return nil, errors.New(`its member "keys" is not an array`)
	}
	if len(texts) > maxKeys {
		return nil, fmt.Errorf("it holds %d keys, and at most %d are read", len(texts), maxKeys)
	}
	keys := make(map[string]*key, len(texts))
	for i, text := range texts {
		kid, key, err := parseKey(text, algorithms)
		if err == nil && keys[kid] != nil {
			err = errors.New("an earlier key has the same kid")
		}
		if err != nil {
			log.Debug("skip a key of the issuer", "index", i, "reason", malformed(err))
			continue
		}
		keys[kid] = key
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("it holds no key that can verify %v", algorithms)
	}
	return keys, nil
}

func parseKey(text string, algorithms []string) (kid string, _ *key, _ error) {
	parameters, err := readParameters(text)
	if err != nil {
		return "", nil, err
	}
	if err := parameters.checkUse(); err != nil {
		return "", nil, err
	}
	alg := parameters.alg
	if alg == "" {
		alg = usual(parameters.kty, parameters.crv)
	}
	if !slices.Contains(algorithms, alg) {
		return "", nil, errors.New("it is for another algorithm (alg, kty)")
	}
	if parameters.kid == "" || len(parameters.kid) > maxKid {
		return "", nil, errors.New("it has no usable name (kid)")
	}
	key, _, err := parsePublic(text, alg, parameters)
	return parameters.kid, key, err
}

// parameters are the members of a JWK that restrict its use (RFC 7517 §4), if they are strings.
type parameters struct {
	kty, crv, kid, alg, use string
	operations              []string
	hasAlg, hasUse, hasOps  bool
	private                 bool
}

func readParameters(text string) (parameters, error) {
	members, err := parseObject(text)
	if err != nil {
		return parameters{}, err
	}
	var p parameters
	for _, m := range members {
		value, _ := stringOf(m.value)
		switch m.name {
		case "kty":
			p.kty = value
		case "crv":
			p.crv = value
		case "kid":
			p.kid = value
		case "alg":
			p.alg, p.hasAlg = value, true
		case "use":
			p.use, p.hasUse = value, true
		case "key_ops":
			p.operations, _ = stringsOf(m.value)
			p.hasOps = true
		case "d", "p", "q", "dp", "dq", "qi", "oth", "k":
			p.private = true
		}
	}
	return p, nil
}

// checkUse checks that the key is meant for signatures.
func (p parameters) checkUse() error {
	switch {
	case p.hasUse && p.use != "sig":
		return errors.New("it is not for signatures (use)")
	case p.hasAlg && p.alg == "":
		return errors.New("it is for no algorithm (alg)")
	case p.hasOps && !slices.Contains(p.operations, "verify"):
		return errors.New("it is not for verification (key_ops)")
	}
	return nil
}

// parsePublic parses text as a public key for alg, and returns it also as jwx's type.
func parsePublic(text, alg string, p parameters) (*key, jwk.Key, error) {
	algorithm, ok := algorithmNamed(alg)
	if !ok || algorithm.kty != p.kty || algorithm.crv != p.crv {
		return nil, nil, errors.New("its type does not fit its algorithm (kty, crv)")
	}
	if p.private {
		return nil, nil, errors.New("it holds private members")
	}
	parsed, err := jwk.ParseKey([]byte(text))
	if err != nil {
		return nil, nil, fmt.Errorf("parse key: %w", err)
	}
	var public publicKey
	switch parsed := parsed.(type) {
	case jwk.RSAPublicKey:
		public, err = rsaKey(parsed)
	case jwk.ECDSAPublicKey:
		public, err = ecdsaKey(parsed, algorithm)
	case jwk.OKPPublicKey:
		public, err = ed25519Key(parsed)
	default:
		err = errors.New("it is not a public key")
	}
	if err != nil {
		return nil, nil, err
	}
	return &key{algorithm: algorithm, public: public}, parsed, nil
}

func rsaKey(parsed jwk.RSAPublicKey) (publicKey, error) {
	modulus, exponent := new(big.Int).SetBytes(parsed.N()), new(big.Int).SetBytes(parsed.E())
	bits := modulus.BitLen()
	switch {
	case bits < minModulus || bits > maxModulus || modulus.Bit(0) == 0:
		return nil, fmt.Errorf("its modulus of %d bits is not an odd one of %d to %d", bits, minModulus, maxModulus)
	case exponent.BitLen() > 31 || exponent.Int64() < minExponent || exponent.Bit(0) == 0:
		return nil, fmt.Errorf("its exponent is not an odd one of %d to 2^31-1", minExponent)
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}, nil
}

func ecdsaKey(parsed jwk.ECDSAPublicKey, a algorithm) (publicKey, error) {
	var curve elliptic.Curve
	switch a.crv {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	default:
		curve = elliptic.P521()
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(parsed.X()) != size || len(parsed.Y()) != size { // RFC 7518 §6.2.1.2
		return nil, errors.New("its coordinates are not as wide as its curve")
	}
	point := append(append([]byte{4}, parsed.X()...), parsed.Y()...)
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point) // refuses points that are not on the curve
	if err != nil {
		return nil, fmt.Errorf("parse key: %w", err)
	}
	return public, nil
}

func ed25519Key(parsed jwk.OKPPublicKey) (publicKey, error) {
	if len(parsed.X()) != ed25519.PublicKeySize {
		return nil, errors.New("its public key is not of 32 bytes")
	}
	return ed25519.PublicKey(parsed.X()), nil
}
