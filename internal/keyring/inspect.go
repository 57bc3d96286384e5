package keyring

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// Listed is a key as operators see it. Times that are not known yet are zero.
type Listed struct {
	Key
	State     State
	SealedBy  byte      // id of the root secret; 0 once the private half is destroyed
	RipeAt    time.Time // published for as long as the policy asks
	RetiresAt time.Time // the next key signs
	RemovedAt time.Time // out of the JWKS
}

// List returns all keys with their state, in order of activation, and the time by which
// they have it. It opens no private half.
func (k *Keyring) List(ctx context.Context) ([]Listed, time.Time, error) {
	stored, now, err := k.store.SigningKeys(ctx)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("list signing keys: %w", err)
	}
	now = k.moment(now).now
	return k.list(stored, now), now, nil
}

func (k *Keyring) list(stored []Stored, now time.Time) []Listed {
	keys := publicSides(stored)
	listed := make([]Listed, len(keys))
	for i, key := range keys {
		one := Listed{Key: key, State: StateAt(key, keys, now, k.policy), SealedBy: stored[i].SealedBy()}
		one.RipeAt = key.PublishedAt.Add(k.policy.PublishAhead)
		if retires, ok := RetiresAt(key, keys); ok && one.State != Revoked {
			one.RetiresAt, one.RemovedAt = retires, retires.Add(k.policy.Retain)
		}
		listed[i] = one
	}
	return listed
}

// Inspected is what Verify found of a key.
type Inspected struct {
	Listed
	Problem error // what is wrong with it; nil when all is well
}

// ErrDamaged says that a stored key does not hold what it should.
var ErrDamaged = errors.New("damaged")

// Verify looks at every stored key: that its kid is the thumbprint of its public half,
// that its private half opens and is the one of that public half, and that it is
// there while it is needed. The problems of a key are [ErrDamaged] or [ErrUnsealable].
// It also returns the kids of the JWKS as it is to be published now.
func (k *Keyring) Verify(ctx context.Context) (keys []Inspected, published []string, err error) {
	stored, now, err := k.store.SigningKeys(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read signing keys: %w", err)
	}
	for i, key := range k.list(stored, k.moment(now).now) {
		problem := k.inspect(stored[i], key.State)
		if key.State.Member() {
			published = append(published, key.KID)
		}
		keys = append(keys, Inspected{key, problem})
	}
	return keys, published, nil
}

func (k *Keyring) inspect(key Stored, state State) error {
	if _, err := key.whole(); err != nil {
		return err
	}
	if key.Sealed == nil {
		if state.Signs() {
			return fmt.Errorf("signing key %s: its private half is %w: it is not there", key.KID, ErrDamaged)
		}
		return nil
	}
	_, err := k.unseal(key)
	return err
}

// whole returns the public half of a stored key, whose thumbprint must be the kid (K7).
func (s Stored) whole() (*rsa.PublicKey, error) {
	public, err := s.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("signing key %s: its public half is %w: %w", s.KID, ErrDamaged, err)
	}
	kid, err := thumbprint(public)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: its public half is %w: %w", s.KID, ErrDamaged, err)
	}
	if kid != s.KID {
		return nil, fmt.Errorf("signing key %s: its public half is %w: it is that of %s", s.KID, ErrDamaged, kid)
	}
	return public, nil
}

// KIDs reads the kids of a JWKS that an issuer published (RFC 7517 §5), and holds each
// key to its kid: one that is another, private or there twice is an error.
func KIDs(jwks []byte) ([]string, error) {
	set, err := jwk.Parse(jwks)
	if err != nil {
		return nil, fmt.Errorf("parse JWKS: %w", err)
	}
	var kids []string
	for i := range set.Len() {
		key, _ := set.Key(i)
		if private, err := jwk.IsPrivateKey(key); err != nil || private {
			return nil, fmt.Errorf("the JWKS holds a key that is not public: %q", key.KeyID())
		}
		sum, err := key.Thumbprint(crypto.SHA256)
		switch {
		case err != nil:
			return nil, fmt.Errorf("thumbprint of %q: %w", key.KeyID(), err)
		case base64.RawURLEncoding.EncodeToString(sum) != key.KeyID():
			return nil, fmt.Errorf("the JWKS holds another key under the kid %q", key.KeyID())
		case slices.Contains(kids, key.KeyID()):
			return nil, fmt.Errorf("the JWKS holds the kid %q twice", key.KeyID())
		}
		kids = append(kids, key.KeyID())
	}
	return kids, nil
}
