package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

// ErrUnsealable says that a stored private key can't be opened: the root secret
// that sealed it is missing or another, or the row was edited.
var ErrUnsealable = errors.New("can't be opened")

// sealVersion is the first byte of a sealed key; the second is the root's id.
const sealVersion = 1

const sealPurpose = "signing-key"

// Sealer encrypts private keys at rest with AES-256-GCM under a key derived from
// the root secret. The issuer, kid, algorithm and purpose are authenticated with
// it, so a sealed key is worth nothing in another row or another database.
type Sealer struct {
	issuer string
	roots  secret.Roots
}

// NewSealer returns the sealer of an issuer: the first root seals, all open.
func NewSealer(issuer string, roots secret.Roots) *Sealer {
	return &Sealer{issuer: issuer, roots: roots}
}

// Seal encrypts the private half of a key.
func (s *Sealer) Seal(kid, alg string, key *rsa.PrivateKey) ([]byte, error) {
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key %s: %w", kid, err)
	}
	root := s.roots.Active()
	aead, err := keyEncryption(root)
	if err != nil {
		return nil, err
	}
	sealed := []byte{sealVersion, root.ID}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce) // never fails (crypto/rand)
	sealed = append(sealed, nonce...)
	return aead.Seal(sealed, nonce, plain, s.bound(kid, alg)), nil
}

// Open decrypts what Seal made for the same issuer, kid and algorithm. ErrUnsealable.
func (s *Sealer) Open(kid, alg string, sealed []byte) (*rsa.PrivateKey, error) {
	if len(sealed) < 2 || sealed[0] != sealVersion {
		return nil, fmt.Errorf("signing key %s: its sealed form is damaged: %w", kid, ErrUnsealable)
	}
	root, ok := s.roots.Find(sealed[1])
	if !ok {
		return nil, fmt.Errorf("signing key %s was sealed with root secret %d, which MINTMARK_ROOT_SECRET lacks: %w", kid, sealed[1], ErrUnsealable)
	}
	aead, err := keyEncryption(root)
	if err != nil {
		return nil, err
	}
	body := sealed[2:]
	if len(body) < aead.NonceSize() {
		return nil, fmt.Errorf("signing key %s: its sealed form is damaged: %w", kid, ErrUnsealable)
	}
	plain, err := aead.Open(nil, body[:aead.NonceSize()], body[aead.NonceSize():], s.bound(kid, alg))
	if err != nil {
		return nil, fmt.Errorf("signing key %s does not open with root secret %d: the secret or the issuer is another, or the row was edited: %w", kid, root.ID, ErrUnsealable)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", kid, ErrUnsealable)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s is no RSA key: %w", kid, ErrUnsealable)
	}
	return key, nil
}

// bound is the additional data: each field with its length, so none runs into the next.
func (s *Sealer) bound(kid, alg string) []byte {
	var b []byte
	for _, field := range []string{s.issuer, kid, alg, sealPurpose} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
		b = append(b, field...)
	}
	return b
}

// SealedBy is the id of the root secret that sealed the private half, or 0 where
// there is none any more.
func (s Stored) SealedBy() byte {
	if len(s.Sealed) < 2 {
		return 0
	}
	return s.Sealed[1]
}

func keyEncryption(root secret.Root) (cipher.AEAD, error) {
	block, err := aes.NewCipher(root.Derive(secret.PurposeKeySealing, 32))
	if err != nil {
		return nil, fmt.Errorf("derive key-encryption key: %w", err)
	}
	return cipher.NewGCM(block)
}

func parsePublic(der []byte) (*rsa.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse public key: %w", err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("parse public key: not RSA")
	}
	return key, nil
}
