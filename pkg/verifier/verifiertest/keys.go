package verifiertest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"sync"
)

// signingKey is an RSA key, named by its RFC 7638 thumbprint.
type signingKey struct {
	*rsa.PrivateKey
	kid string
}

// pool makes each key once per process, on first use: making a key takes longer than most tests.
type pool struct {
	mu   sync.Mutex
	keys []signingKey // guarded by mu
}

// Both only grow, so no test sees the effects of another.
var (
	issuersKeys  pool
	strangersKey = sync.OnceValue(newKey)
)

// key returns the nth key of the process.
func (p *pool) key(n int) signingKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.keys) <= n {
		p.keys = append(p.keys, newKey())
	}
	return p.keys[n]
}

func newKey() signingKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(fmt.Sprintf("verifiertest: make a key: %v", err))
	}
	return signingKey{key, thumbprint(&key.PublicKey)}
}

// thumbprint hashes the members that RFC 7638 §3.2 requires, in their order and without spaces.
func thumbprint(key *rsa.PublicKey) string {
	jwk := newJWK(key)
	sum := sha256.Sum256(fmt.Appendf(nil, `{"e":%q,"kty":%q,"n":%q}`, jwk.E, jwk.Type, jwk.N))
	return encode(sum[:])
}

// jwk is a public RSA key as a JWKS spells it (RFC 7517, RFC 7518 §6.3.1).
type jwk struct {
	Type      string `json:"kty"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	KID       string `json:"kid"`
	N         string `json:"n"`
	E         string `json:"e"`
}

func newJWK(key *rsa.PublicKey) jwk {
	return jwk{Type: "RSA", Use: "sig", Algorithm: "RS256", N: encode(key.N.Bytes()), E: encode(big.NewInt(int64(key.E)).Bytes())}
}

func (k signingKey) jwk() jwk {
	public := newJWK(&k.PublicKey)
	public.KID = k.kid
	return public
}

// sign makes a compact JWS with RS256 from any header and payload, even if they are not JSON.
func sign(key *rsa.PrivateKey, header, payload []byte) string {
	signed := encode(header) + "." + encode(payload)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		panic(fmt.Sprintf("verifiertest: sign: %v", err))
	}
	return signed + "." + encode(signature)
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
