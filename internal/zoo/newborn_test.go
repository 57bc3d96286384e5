package zoo_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mintmark-auth/mintmark/internal/keyring"
)

// bear lets a key be born at the time that signs at once.
func (s *story) bear(at time.Time) {
	s.plan(at.Add(-before), func() { s.around(at) })
	s.plan(at, func() {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			s.Fatal(err)
		}
		born, err := s.authority.newborn(private)
		if err != nil {
			s.Fatal(err)
		}
		err = s.authority.store.ChangeSigningKeys(s.Context(), func(_ []keyring.Stored, now time.Time) (keyring.Change, error) {
			born.PublishedAt, born.ActivatesAt = now, now
			return keyring.Change{Add: []keyring.Stored{born}}, nil
		})
		if err != nil {
			s.Fatal(err)
		}
		for i := range s.authority.replicas { // those authorities have no such delay
			s.authority.replicas[i].cutUntil = time.Time{}
		}
		s.pollAll()
	})
}

func (a *authority) newborn(private *rsa.PrivateKey) (keyring.Stored, error) {
	key, err := jwk.FromRaw(&private.PublicKey)
	if err != nil {
		return keyring.Stored{}, err
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return keyring.Stored{}, err
	}
	kid := base64.RawURLEncoding.EncodeToString(sum)
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return keyring.Stored{}, err
	}
	sealed, err := a.sealer.Seal(kid, keyring.RS256, private)
	return keyring.Stored{Key: keyring.Key{KID: kid, Alg: keyring.RS256}, Public: public, Sealed: sealed}, err
}
