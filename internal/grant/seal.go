package grant

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

// sealVersion is the first octet of a sealed record; the id of the root secret follows,
// then the nonce and the ciphertext.
const sealVersion = 1

// sealer encrypts records with AES-256-GCM. The key of a record is authenticated with
// it, so what is stored under one key opens under no other.
type sealer struct{ roots secret.Roots }

func (s sealer) seal(key Key, value []byte) ([]byte, error) {
	root := s.roots.Active()
	aead, err := recordEncryption(root)
	if err != nil {
		return nil, err
	}
	return aead.Seal([]byte{sealVersion, root.ID}, nil, value, []byte(key)), nil //nolint:gosec // the nonce is drawn within
}

// open returns false if the value was sealed for another key, with a root secret that
// is gone or marked compromised, or without one.
func (s sealer) open(key Key, sealed []byte) ([]byte, bool) {
	if len(sealed) < 2 || sealed[0] != sealVersion {
		return nil, false
	}
	root, ok := s.roots.Find(sealed[1])
	if !ok || root.Compromised {
		return nil, false
	}
	aead, err := recordEncryption(root)
	if err != nil {
		return nil, false
	}
	value, err := aead.Open(nil, nil, sealed[2:], []byte(key))
	return value, err == nil
}

func recordEncryption(root secret.Root) (cipher.AEAD, error) {
	block, err := aes.NewCipher(root.Derive(secret.PurposeRecordSealing, 32))
	if err != nil {
		return nil, fmt.Errorf("derive record-encryption key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
