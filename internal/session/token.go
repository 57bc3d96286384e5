package session

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

// ErrToken says that a string is no refresh token of this authority. It is
// deliberately one error for every defect.
var ErrToken = errors.New("not a refresh token of this authority")

// The layout of a token: version ‖ MAC key id ‖ F ‖
// generation ‖ issued-at ‖ flags ‖ tag, integers big-endian, strict base64url.
const (
	tokenPrefix  = "mrt_"
	tokenVersion = 1

	familyAt     = 2
	generationAt = familyAt + familySize
	issuedAt     = generationAt + 4
	flagsAt      = issuedAt + 4
	tagAt        = flagsAt + 4
	tokenSize    = tagAt + tagSize

	familySize = 16
	tagSize    = 16

	macDomain    = "mintmark/refresh-token/v1"
	familyDomain = "mintmark/family/v1"
)

// Family is the secret of a session's tokens: 128 random bits. Only the client
// holds it; the stores know its [FamilyHash].
type Family [familySize]byte

// FamilyHash identifies a session in the durable store.
type FamilyHash [16]byte

// NewFamily draws a family.
func NewFamily() Family {
	var f Family
	rand.Read(f[:]) // never fails (crypto/rand)
	return f
}

// Hash is what the stores keep of the family.
func (f Family) Hash() FamilyHash {
	h := sha256.New()
	h.Write([]byte(familyDomain))
	h.Write(f[:])
	return FamilyHash(h.Sum(nil)[:16])
}

// Format answers every verb alike: a family is a secret.
func (Family) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "REDACTED") // fmt.State offers nowhere to report it
}

// MarshalText does the same for encoders and structured logs.
func (Family) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// RefreshToken is a refresh token taken apart.
type RefreshToken struct {
	Family      Family
	Generation  uint32
	IssuedAt    time.Time // whole seconds
	Compromised bool      // set by Parse: its MAC key is marked compromised
}

// Mint writes and reads the refresh tokens of one issuer.
type Mint struct {
	issuer string
	active byte
	keys   map[byte]macKey
}

type macKey struct {
	key         []byte
	compromised bool
}

// NewMint returns the mint of an issuer: the first root signs, all verify.
func NewMint(issuer string, roots secret.Roots) *Mint {
	m := &Mint{issuer: issuer, active: roots.Active().ID, keys: make(map[byte]macKey, len(roots))}
	for _, root := range roots {
		m.keys[root.ID] = macKey{root.Derive(secret.PurposeRefreshTokenMAC, sha256.Size), root.Compromised}
	}
	return m
}

// Format writes the token. The same token and MAC key give the same bytes.
func (m *Mint) Format(t RefreshToken) string {
	var b [tokenSize]byte
	b[0], b[1] = tokenVersion, m.active
	copy(b[familyAt:], t.Family[:])
	binary.BigEndian.PutUint32(b[generationAt:], t.Generation)
	binary.BigEndian.PutUint32(b[issuedAt:], uint32(t.IssuedAt.Unix()))
	copy(b[tagAt:], m.tag(m.keys[m.active].key, b[:tagAt]))
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// Parse reads a token and checks its MAC before anything else uses it: an invalid token
// costs one HMAC and reaches no store. It returns ErrToken.
func (m *Mint) Parse(s string) (RefreshToken, error) {
	encoded, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok || len(encoded) != base64.RawURLEncoding.EncodedLen(tokenSize) {
		return RefreshToken{}, ErrToken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(b) != tokenSize { // Go's decoder passes over newlines
		return RefreshToken{}, ErrToken
	}
	key, ok := m.keys[b[1]]
	if !ok || b[0] != tokenVersion || !secret.Equal(b[tagAt:], m.tag(key.key, b[:tagAt])) {
		return RefreshToken{}, ErrToken
	}
	if binary.BigEndian.Uint32(b[flagsAt:]) != 0 {
		return RefreshToken{}, fmt.Errorf("%w: unknown flags", ErrToken)
	}
	t := fields(b)
	t.Compromised = key.compromised
	return t, nil
}

// fields reads the fields of a token of the right size.
func fields(b []byte) RefreshToken {
	return RefreshToken{
		Family:     Family(b[familyAt:generationAt]),
		Generation: binary.BigEndian.Uint32(b[generationAt:]),
		IssuedAt:   time.Unix(int64(binary.BigEndian.Uint32(b[issuedAt:])), 0).UTC(),
	}
}

// tag is the MAC over a domain string, the issuer and the bytes before the tag.
// The issuer's length is part of it, so no two inputs run into each other.
func (m *Mint) tag(key, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(macDomain))
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(m.issuer))))
	h.Write([]byte(m.issuer))
	h.Write(body)
	return h.Sum(nil)[:tagSize]
}
