package verifier

import (
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

// malformed says what is wrong with a document of the issuer; a defect speaks of a token.
func malformed(err error) error {
	var d defect
	if errors.As(err, &d) {
		return errors.New(string(d))
	}
	return err
}

// parseKeys returns the keys of a JWKS (RFC 7517 §5) that may have signed a token, by kid. Others are skipped one by
// one, so that a key of a new kind doesn't take the old ones away; of two with one kid the first stands. No usable
// key at all is an error: an issuer that signs has one.
func parseKeys(body string, log *slog.Logger) (map[string]*rsa.PublicKey, error) {
	members, err := parseObject(body)
	if err != nil {
		return nil, malformed(err)
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
	keys := make(map[string]*rsa.PublicKey, len(texts))
	for i, text := range texts {
		kid, key, err := parseKey(text)
		if err == nil && keys[kid] != nil {
			err = errors.New("an earlier key has the same kid")
		}
		if err != nil {
			log.Debug("skip a key of the issuer", "index", i, "reason", err)
			continue
		}
		keys[kid] = key
	}
	if len(keys) == 0 {
		return nil, errors.New("it holds no RSA key that can verify RS256")
	}
	return keys, nil
}

func parseKey(text string) (string, *rsa.PublicKey, error) {
	kid, err := checkUse(text)
	if err != nil {
		return "", nil, err
	}
	parsed, err := jwk.ParseKey([]byte(text))
	if err != nil {
		return "", nil, fmt.Errorf("parse key: %w", err)
	}
	public, ok := parsed.(jwk.RSAPublicKey)
	if !ok {
		return "", nil, errors.New("it is not an RSA public key")
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(public.N())}
	exponent := new(big.Int).SetBytes(public.E())
	bits := key.N.BitLen()
	switch {
	case bits < minModulus || bits > maxModulus || key.N.Bit(0) == 0:
		return "", nil, fmt.Errorf("its modulus of %d bits is not an odd one of %d to %d", bits, minModulus, maxModulus)
	case exponent.BitLen() > 31 || exponent.Int64() < minExponent || exponent.Bit(0) == 0:
		return "", nil, fmt.Errorf("its exponent is not an odd one of %d to 2^31-1", minExponent)
	}
	key.E = int(exponent.Int64())
	return kid, key, nil
}

// checkUse returns the kid of a key that is meant for RS256 signatures (RFC 7517 §4).
func checkUse(text string) (kid string, err error) {
	members, err := parseObject(text)
	if err != nil {
		return "", malformed(err)
	}
	var kty string
	for _, m := range members {
		value, _ := stringOf(m.value)
		operations, _ := stringsOf(m.value)
		switch {
		case m.name == "kty":
			kty = value
		case m.name == "kid":
			kid = value
		case m.name == "use" && value != "sig":
			return "", errors.New("it is not for signatures (use)")
		case m.name == "alg" && value != "RS256":
			return "", errors.New("it is for another algorithm (alg)")
		case m.name == "key_ops" && !slices.Contains(operations, "verify"):
			return "", errors.New("it is not for verification (key_ops)")
		}
	}
	switch {
	case kty != "RSA":
		return "", errors.New("it is of another type (kty)")
	case kid == "" || len(kid) > maxKid:
		return "", errors.New("it has no usable name (kid)")
	}
	return kid, nil
}
