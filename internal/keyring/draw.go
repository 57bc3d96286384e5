package keyring

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"
)

// draw makes spare keys until there are enough.
func (k *Keyring) draw(n int) error {
	for len(k.spare) < n {
		fresh, err := k.generate()
		if err != nil {
			return err
		}
		k.spare = append(k.spare, fresh)
	}
	return nil
}

// generate draws a key pair and seals it; when it activates is decided later.
func (k *Keyring) generate() (Stored, error) {
	bits := k.policy.Bits
	if bits == 0 {
		bits = defaultBits
	}
	var private *rsa.PrivateKey
	kid := "-"
	for strings.HasPrefix(kid, "-") { // which would read as a flag wherever an operator types it
		var err error
		if private, err = rsa.GenerateKey(rand.Reader, bits); err != nil {
			return Stored{}, fmt.Errorf("generate signing key: %w", err)
		}
		if kid, err = thumbprint(&private.PublicKey); err != nil {
			return Stored{}, err
		}
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return Stored{}, fmt.Errorf("encode public key %s: %w", kid, err)
	}
	sealed, err := k.sealer.Seal(kid, RS256, private)
	if err != nil {
		return Stored{}, err
	}
	return Stored{Key: Key{KID: kid, Alg: RS256}, Public: public, Sealed: sealed}, nil
}
