package keyring

import (
	"context"
	"errors"
	"fmt"
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

// List returns all keys with their state, in order of activation, and the database's
// clock. It opens no private half.
func (k *Keyring) List(ctx context.Context) ([]Listed, time.Time, error) {
	stored, now, err := k.store.SigningKeys(ctx)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("list signing keys: %w", err)
	}
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
	for i, key := range k.list(stored, now) {
		problem := k.inspect(stored[i], key.State)
		if problem == nil && key.State.Member() {
			published = append(published, key.KID)
		}
		keys = append(keys, Inspected{key, problem})
	}
	return keys, published, nil
}

func (k *Keyring) inspect(key Stored, state State) error {
	public, err := key.PublicKey()
	if err != nil {
		return fmt.Errorf("key %s: its public half is %w: %w", key.KID, ErrDamaged, err)
	}
	switch kid, err := thumbprint(public); {
	case err != nil:
		return fmt.Errorf("key %s: its public half is %w: %w", key.KID, ErrDamaged, err)
	case kid != key.KID:
		return fmt.Errorf("key %s: its public half is %w: it is that of %s", key.KID, ErrDamaged, kid)
	}
	if key.Sealed == nil {
		if state.Signs() {
			return fmt.Errorf("key %s: its private half is %w: it is not there", key.KID, ErrDamaged)
		}
		return nil
	}
	_, err = k.unseal(key)
	return err
}

// KIDs reads the kids of a JWKS that an issuer published (RFC 7517 §5).
func KIDs(jwks []byte) ([]string, error) {
	set, err := jwk.Parse(jwks)
	if err != nil {
		return nil, fmt.Errorf("parse JWKS: %w", err)
	}
	var kids []string
	for i := range set.Len() {
		if key, ok := set.Key(i); ok {
			kids = append(kids, key.KeyID())
		}
	}
	return kids, nil
}
