package secret

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// The purposes for which keys are derived. Every purpose has one label, so that
// no key is ever used for two things; a label never changes its meaning, a new
// meaning gets a new version. Lengths are fixed by the package that uses one.
const (
	// PurposeRefreshTokenMAC authenticates refresh tokens (HMAC-SHA-256).
	PurposeRefreshTokenMAC = "mintmark refresh token mac v1"
	// PurposeKeySealing encrypts private signing keys at rest (AES-256-GCM).
	PurposeKeySealing = "mintmark signing key sealing v1"
	// PurposeRevocationNotice authenticates what replicas tell each other of revocations (HMAC-SHA-256).
	PurposeRevocationNotice = "mintmark revocation notice mac v1"
	// PurposeRecordSealing encrypts one-time records in the ephemeral store (AES-256-GCM).
	PurposeRecordSealing = "mintmark ephemeral record v1"
	// PurposeLimitKeys names the rate counters in Redis (HMAC-SHA-256).
	PurposeLimitKeys = "mintmark rate limit keys v1"
)

// Derive gives length octets for one purpose, by HKDF-SHA-256 (RFC 5869) over
// the root's octets with an empty salt (they are uniformly random) and the info
// purpose ‖ 0x00 ‖ id. The same root, id and purpose always give the same key.
//
// It panics on a zero Root, an empty purpose and a length HKDF cannot give:
// each is a mistake in the program, and going on would use a guessable key.
func (r Root) Derive(purpose string, length int) []byte {
	if r.key == nil {
		panic("secret: derive from a zero root")
	}
	if purpose == "" || length < 1 {
		panic("secret: derive needs a purpose and a length")
	}
	key, err := hkdf.Key(sha256.New, []byte(*r.key), nil, purpose+"\x00"+string([]byte{r.ID}), length)
	if err != nil {
		panic(fmt.Sprintf("secret: derive %d octets for %q: %v", length, purpose, err))
	}
	return key
}
