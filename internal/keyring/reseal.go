package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/secret"
)

// Progress is called with the number of keys that are done, and of all keys.
type Progress func(done, all int)

// Reseal seals every private half that another root secret sealed with the active
// one, so that the other can be dropped. Each key commits by itself: broken off and
// run again, it goes on where it was. ErrUnsealable names a key that no root opens;
// the others are resealed all the same.
func (k *Keyring) Reseal(ctx context.Context, by audit.Actor, progress Progress) (resealed int, err error) {
	stored, _, err := k.store.SigningKeys(ctx)
	if err != nil {
		return 0, fmt.Errorf("read signing keys: %w", err)
	}
	active := k.sealer.roots.Active().ID
	var due []Stored
	var failed error
	for _, key := range stored {
		switch {
		case key.Sealed == nil:
		case key.SealedBy() != active:
			due = append(due, key)
		default: // of the same id; whether of the same secret, shows
			_, err := k.open(key)
			failed = errors.Join(failed, err)
		}
	}
	for i, key := range due {
		done, err := k.reseal(ctx, by, key, active)
		if ctx.Err() != nil {
			return resealed, errors.Join(failed, ctx.Err())
		}
		if done {
			resealed++
		}
		failed = errors.Join(failed, err)
		progress(i+1, len(due))
	}
	return resealed, failed
}

// reseal rewrites one key, unless it has changed meanwhile: then another process has resealed
// or destroyed it.
func (k *Keyring) reseal(ctx context.Context, by audit.Actor, key Stored, active byte) (done bool, err error) {
	private, err := k.unseal(key)
	if err != nil {
		return false, err
	}
	sealed, err := k.sealer.Seal(key.KID, key.Alg, private)
	if err != nil {
		return false, err
	}
	err = k.store.ChangeSigningKeys(ctx, func(stored []Stored, _ time.Time) (Change, error) {
		i := slices.IndexFunc(stored, func(s Stored) bool { return s.KID == key.KID && secret.Equal(s.Sealed, key.Sealed) })
		if done = i >= 0; !done {
			return Change{}, nil
		}
		now := stored[i]
		now.Sealed = sealed
		event := keyEvent(audit.KeyResealed, key.KID,
			"from_root", strconv.Itoa(int(key.SealedBy())), "to_root", strconv.Itoa(int(active)))
		event.Actor = by
		return Change{Update: []Stored{now}, Events: []audit.Event{event}}, nil
	})
	return done && err == nil, err
}
