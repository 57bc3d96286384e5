// Package token turns claims into signed access tokens (RFC 9068) and reads our own back, and signs status lists. It
// does not decide who gets a token: it sets exactly the given claims, and never one that a caller of the API sent.
//
// Verifiers do not use this package; they use pkg/verifier or any JOSE library.
package token

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// Type is the `typ` of an access token (RFC 9068 §2.1).
const Type = "at+jwt"

// maxSize bounds what [Parse] looks at; our own tokens are below 2 KiB.
const maxSize = 16 << 10

// ErrToken says that a string is no access token of this authority. It is
// deliberately one error for every defect.
var ErrToken = errors.New("not an access token of this authority")

type wireHeader struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	KID       string `json:"kid"`
}

// NewID draws a token id of 128 random bits.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Signer signs access tokens and status lists with one key. Their headers never
// change, so each is encoded once.
type Signer struct {
	kid    string
	access string // base64url of the protected header, with the dot
	list   string // the same of a status list
	key    crypto.Signer
	jws    jws.Signer
}

// NewSigner returns the RS256 signer of a key.
func NewSigner(kid string, key crypto.Signer) (*Signer, error) {
	rs256, err := jws.NewSigner(jwa.RS256)
	if err != nil {
		return nil, fmt.Errorf("make RS256 signer: %w", err)
	}
	return &Signer{kid: kid, access: encodeHeader(Type, kid), list: encodeHeader(StatusListType, kid), key: key, jws: rs256}, nil
}

func encodeHeader(typ, kid string) string {
	header, _ := json.Marshal(wireHeader{Algorithm: jwa.RS256.String(), Type: typ, KID: kid}) // never fails: it holds strings alone
	return base64.RawURLEncoding.EncodeToString(header) + "."
}

// KID names the key that signs.
func (s *Signer) KID() string { return s.kid }

// Sign returns the claims as a JWS in compact form.
func (s *Signer) Sign(c Claims) (string, error) {
	signed, err := s.sign(s.access, c.wire())
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return signed, nil
}

// sign makes the compact form of claims under an encoded header.
func (s *Signer) sign(header string, claims any) (string, error) {
	payload, _ := json.Marshal(claims) // never fails: they hold texts and whole numbers alone
	input := header + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := s.jws.Sign([]byte(input), s.key)
	if err != nil {
		return "", err
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// Parse reads an access token of the issuer, expired or not: it checks the
// signature, type and issuer, and leaves times to the caller. public finds the
// key of a kid; only RS256 is accepted (RFC 8725 §3.1). ErrToken.
func Parse(raw, issuer string, public func(kid string) (*rsa.PublicKey, bool)) (Claims, error) {
	if len(raw) > maxSize || strings.Count(raw, ".") != 2 || strings.ContainsAny(raw, "\r\n") {
		return Claims{}, ErrToken
	}
	input := raw[:strings.LastIndexByte(raw, '.')]
	encodedSignature := raw[len(input)+1:]
	encodedHeader, encodedPayload, _ := strings.Cut(input, ".")

	var header wireHeader
	if decodeSegment(encodedHeader, &header) != nil || header.Algorithm != jwa.RS256.String() || header.Type != Type {
		return Claims{}, ErrToken
	}
	key, ok := public(header.KID)
	if !ok {
		return Claims{}, ErrToken
	}
	signature, err := strictBase64().DecodeString(encodedSignature)
	if err != nil || len(signature) != key.Size() {
		return Claims{}, ErrToken
	}
	rs256, err := jws.NewVerifier(jwa.RS256)
	if err != nil {
		return Claims{}, fmt.Errorf("make RS256 verifier: %w", err)
	}
	if rs256.Verify([]byte(input), signature, key) != nil {
		return Claims{}, ErrToken
	}
	// From here on the bytes are ours: we signed them.
	var c wireClaims
	if decodeSegment(encodedPayload, &c) != nil || c.Issuer != issuer {
		return Claims{}, ErrToken
	}
	return c.claims()
}

func decodeSegment(encoded string, into any) error {
	b, err := strictBase64().DecodeString(encoded)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// strictBase64 refuses trailing bits, so a token has one spelling. (Go's decoder
// passes over newlines; [Parse] refuses those before.)
func strictBase64() *base64.Encoding { return base64.RawURLEncoding.Strict() }
