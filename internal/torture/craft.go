package torture

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // for RS384 and RS512
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"time"
)

// lifetime is how long the tokens of our own making live.
const lifetime = 5 * time.Minute

// set is what a JSON object is to say otherwise; nil takes a member out, null says null.
type set map[string]any

var null = json.RawMessage("null")

// kit is what forgers work with.
type kit struct {
	now      func() time.Time
	issuer   string
	audience string
	typ      string
	scope    string
	leeway   time.Duration

	header set // of a good token
	claims set // of a good token, but for the times and the jti of our own making
	token  string

	key      *rsa.PrivateKey  // one that the service trusts, or nil
	public   crypto.PublicKey // the issuer's, under the kid of header
	otherKID string           // of another key that the issuer publishes, or ""

	attacker *rsa.PrivateKey // nobody trusts it
	trap     *trap
}

// good returns a token that must be accepted: a fresh one where we can sign.
func (k *kit) good() string {
	if k.key == nil {
		return k.token
	}
	return k.mint(nil, nil)
}

// mint signs a token that differs from a good one in nothing but what is said here.
func (k *kit) mint(header, claims set) string {
	return k.signed(k.head(header), k.body(claims))
}

// signed puts the trusted signature below a header and a payload.
func (k *kit) signed(header, payload string) string {
	return sealed(b64(header)+"."+b64(payload), k.key)
}

// forge is mint with the attacker's key.
func (k *kit) forge(header, claims set) string {
	return k.forged(k.head(header), k.body(claims))
}

func (k *kit) forged(header, payload string) string {
	return sealed(b64(header)+"."+b64(payload), k.attacker)
}

// head is the header of a good token with changes.
func (k *kit) head(change set) string { return object(k.header, change) }

// body is the payload of a good token with changes.
func (k *kit) body(change set) string {
	claims := k.claims
	if k.key != nil {
		now := k.now()
		claims = maps.Clone(claims)
		// A minute old: of a token of this second, a service that has just read the keys cannot know whether its key was
		// published since, and may rightly answer 503.
		claims["iat"], claims["exp"], claims["jti"] = now.Add(-time.Minute).Unix(), now.Add(lifetime).Unix(), rand.Text()
	}
	return object(claims, change)
}

// kid names the key of the good token.
func (k *kit) kid() string {
	kid, _ := k.header["kid"].(string)
	return kid
}

// parts cuts a token at its two dots.
func parts(token string) (header, payload, signature string) {
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, _ = strings.Cut(rest, ".")
	return header, payload, signature
}

// cutSignature returns what is signed, and the signature decoded.
func cutSignature(token string) (signed string, signature []byte) {
	dot := strings.LastIndexByte(token, '.')
	signature, _ = base64.RawURLEncoding.DecodeString(token[dot+1:]) // readToken has seen that it decodes
	return token[:dot], signature
}

func object(base, change set) string {
	all := maps.Clone(base)
	for name, value := range change {
		if value == nil {
			delete(all, name)
			continue
		}
		all[name] = value
	}
	return encode(all)
}

// encode writes JSON. What it is given came out of JSON or is written in this package.
func encode(value any) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value)
	return strings.TrimSuffix(text.String(), "\n")
}

func b64[T string | []byte](data T) string { return base64.RawURLEncoding.EncodeToString([]byte(data)) }

// sealed signs as RS256. Keys were tried when they came in, so it cannot fail.
func sealed(signed string, key *rsa.PrivateKey) string {
	return signed + "." + b64(pkcs1(signed, key, crypto.SHA256))
}

func pkcs1(signed string, key *rsa.PrivateKey, hash crypto.Hash) []byte {
	signature, _ := rsa.SignPKCS1v15(nil, key, hash, sum(hash, signed))
	return signature
}

func pss(signed string, key *rsa.PrivateKey, hash crypto.Hash) []byte {
	signature, _ := rsa.SignPSS(rand.Reader, key, hash, sum(hash, signed), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	return signature
}

func sum(hash crypto.Hash, text string) []byte {
	h := hash.New()
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hmacked(signed string, hash crypto.Hash, key []byte) string {
	mac := hmac.New(hash.New, key)
	mac.Write([]byte(signed))
	return signed + "." + b64(mac.Sum(nil))
}

// tryKey signs once with everything that the cases will ask of the key.
func tryKey(key *rsa.PrivateKey) error {
	if err := key.Validate(); err != nil {
		return fmt.Errorf("the test key: %w", err)
	}
	if key.Size() < 128 {
		return errors.New("the test key is too short: use RSA of 2048 bits or more")
	}
	digest := sha256.Sum256(nil)
	_, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	return err
}

// publicJWK is a public key as a JWKS has it, with what else it says.
func publicJWK(key *rsa.PublicKey, kid string) set {
	jwk := set{"kty": "RSA", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes()), "alg": "RS256", "use": "sig"}
	if kid != "" {
		jwk["kid"] = kid
	}
	return jwk
}

// thumbprint is the kid of a key (RFC 7638).
func thumbprint(key *rsa.PublicKey) string {
	digest := sha256.Sum256(fmt.Appendf(nil, `{"e":%q,"kty":"RSA","n":%q}`, b64(big.NewInt(int64(key.E)).Bytes()), b64(key.N.Bytes())))
	return b64(digest[:])
}

// readToken decodes a token without checking it.
func readToken(token string) (header, claims set, err error) {
	var decoded [3][]byte
	all := strings.Split(token, ".")
	if len(all) != len(decoded) {
		return nil, nil, fmt.Errorf("it has %d parts, a JWT has 3; an opaque token can't be forged, so there is nothing to try", len(all))
	}
	for i, part := range all {
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return nil, nil, errors.New("it is not base64url")
		}
	}
	for i, target := range []*set{&header, &claims} {
		decoder := json.NewDecoder(strings.NewReader(string(decoded[i])))
		decoder.UseNumber()
		if err := decoder.Decode(target); err != nil || *target == nil {
			return nil, nil, errors.New("its header or payload is not a JSON object")
		}
	}
	return header, claims, nil
}
