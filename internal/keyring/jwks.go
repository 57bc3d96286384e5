package keyring

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mintmark-auth/mintmark/internal/etag"
)

// JWKS is the published key set (RFC 7517 §5), rendered once per snapshot.
type JWKS struct {
	Body []byte // JSON; never empty of keys, never a private member
	ETag string // strong, quoted
	Name string // base64url of the SHA-256 of Body, by which status lists name the set
}

var errNoKeys = errors.New("the database holds no signing key to publish")

func renderJWKS(keys []jwk.Key) (JWKS, error) {
	if len(keys) == 0 {
		return JWKS{}, errNoKeys
	}
	set := jwk.NewSet()
	for _, key := range keys {
		if err := set.AddKey(key); err != nil {
			return JWKS{}, fmt.Errorf("render JWKS: %w", err)
		}
	}
	body, err := json.Marshal(set)
	if err != nil {
		return JWKS{}, fmt.Errorf("render JWKS: %w", err)
	}
	sum := sha256.Sum256(body)
	return JWKS{Body: body, ETag: etag.Of(body), Name: base64.RawURLEncoding.EncodeToString(sum[:])}, nil
}

// publicMember is a key as a member of the set, made from the public half alone.
func publicMember(key Key, public *rsa.PublicKey) (jwk.Key, error) {
	member, err := jwk.FromRaw(public)
	if err != nil {
		return nil, fmt.Errorf("publish key %s: %w", key.KID, err)
	}
	return member, errors.Join(
		member.Set(jwk.KeyIDKey, key.KID),
		member.Set(jwk.AlgorithmKey, jwa.RS256),
		member.Set(jwk.KeyUsageKey, jwk.ForSignature),
	)
}
