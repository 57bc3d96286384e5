package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/keyring"
)

// MaxWhy bounds the reason that goes into the audit trail, in bytes.
const MaxWhy = 256

// Orders that are refused for what they say, before anything is opened.
var (
	// ErrNoWhy refuses an order that has to give its reason.
	ErrNoWhy = errors.New("the reason is missing")
	// ErrLongWhy refuses a reason that is longer than [MaxWhy].
	ErrLongWhy = errors.New("the reason is too long")
	// ErrFlushAfter refuses a time that is not from 0 to the policy's PublishAhead.
	ErrFlushAfter = errors.New("the fresh key would come too late or in the past")
)

// ListKeys lists every signing key with its state, in order of activation, and gives
// the time by which they have it. It opens no private half and needs no root secret.
func (o *Operator) ListKeys(ctx context.Context) ([]keyring.Listed, time.Time, error) {
	return keyring.New(o.Keys, nil, o.KeyPolicy, o.Clocks(ctx)).List(ctx)
}

// RotateKeys lets the ripe standby sign from a moment on that every replica knows by
// then. ErrLongWhy, and the errors of [keyring.Keyring.Rotate].
func (o *Operator) RotateKeys(ctx context.Context, order keyring.Order) (keyring.Switch, error) {
	if err := checkLength(order.Why); err != nil {
		return keyring.Switch{}, err
	}
	return o.carryOut(ctx, "rotate signing keys", func(keys *keyring.Keyring) (keyring.Switch, error) { return keys.Rotate(ctx, order) })
}

// RotateKeysNow lets the standby sign at once, ripe or not. ErrNoWhy, ErrLongWhy, and
// the errors of [keyring.Keyring.RotateNow].
func (o *Operator) RotateKeysNow(ctx context.Context, order keyring.Order) (keyring.Switch, error) {
	if err := checkWhy(order.Why); err != nil {
		return keyring.Switch{}, err
	}
	return o.carryOut(ctx, "rotate signing keys", func(keys *keyring.Keyring) (keyring.Switch, error) { return keys.RotateNow(ctx, order) })
}

// RevokeKey takes a key out of the JWKS forever; a fresh one follows the standby after
// flushAfter. ErrNoWhy, ErrLongWhy, ErrFlushAfter, and the errors of
// [keyring.Keyring.Revoke].
func (o *Operator) RevokeKey(ctx context.Context, kid string, flushAfter time.Duration, order keyring.Order) (keyring.Switch, error) {
	if err := checkWhy(order.Why); err != nil {
		return keyring.Switch{}, err
	}
	if flushAfter < 0 || flushAfter > o.KeyPolicy.PublishAhead {
		return keyring.Switch{}, ErrFlushAfter
	}
	return o.carryOut(ctx, "revoke signing key", func(keys *keyring.Keyring) (keyring.Switch, error) { return keys.Revoke(ctx, kid, flushAfter, order) })
}

// carryOut opens the keys and gives an order. One that was interrupted while it waited
// has done nothing.
func (o *Operator) carryOut(ctx context.Context, what string, give func(*keyring.Keyring) (keyring.Switch, error)) (keyring.Switch, error) {
	keys, err := o.keyring(ctx)
	if err != nil {
		return keyring.Switch{}, err
	}
	done, err := give(keys)
	switch {
	case errors.Is(err, context.Canceled):
		return keyring.Switch{}, fmt.Errorf("%s: interrupted, nothing was changed: %w", what, err)
	case err != nil:
		return keyring.Switch{}, fmt.Errorf("%s: %w", what, err)
	}
	return done, nil
}

// ResealKeys seals every private half with the first root secret and returns how many
// another one had sealed. The errors of [keyring.Keyring.Reseal].
func (o *Operator) ResealKeys(ctx context.Context, by audit.Actor, progress keyring.Progress) (int, error) {
	keys, err := o.keyring(ctx)
	if err != nil {
		return 0, err
	}
	resealed, err := keys.Reseal(ctx, by, progress)
	if err != nil {
		return resealed, fmt.Errorf("reseal signing keys: %w", err)
	}
	return resealed, nil
}

// keyring is the signing keys, with the secrets that open them.
func (o *Operator) keyring(ctx context.Context) (*keyring.Keyring, error) {
	secrets, err := o.Secrets()
	if err != nil {
		return nil, err
	}
	return keyring.New(o.Keys, keyring.NewSealer(secrets.Issuer, secrets.Roots), o.KeyPolicy, o.Clocks(ctx)), nil
}

// checkWhy: ErrNoWhy, ErrLongWhy.
func checkWhy(why string) error {
	if strings.TrimSpace(why) == "" {
		return ErrNoWhy
	}
	return checkLength(why)
}

func checkLength(why string) error {
	if len(why) > MaxWhy {
		return ErrLongWhy
	}
	return nil
}

// KeyReport is what is stored of the signing keys, and what the authority serves.
type KeyReport struct {
	Keys   []keyring.Inspected
	Due    []string // the kids that the JWKS should hold
	Served []string // those that it holds, if Asked
	Asked  bool     // whether the JWKS was fetched
}

// VerifyKeys looks at every stored key, see [keyring.Keyring.Verify]. Fetching the JWKS
// is left to the caller.
func (o *Operator) VerifyKeys(ctx context.Context) (KeyReport, error) {
	keys, err := o.keyring(ctx)
	if err != nil {
		return KeyReport{}, err
	}
	var report KeyReport
	report.Keys, report.Due, err = keys.Verify(ctx)
	return report, err
}

// Missing returns the kids that should be served and are not.
func (r KeyReport) Missing() []string { return without(r.Due, r.Served) }

// Unexpected returns the kids that are served and should not be.
func (r KeyReport) Unexpected() []string { return without(r.Served, r.Due) }

// NoneOpens distinguishes a wrong root secret or issuer, with which no key opens at all, from
// damaged rows.
func (r KeyReport) NoneOpens() bool {
	sealed := 0
	for _, k := range r.Keys {
		if k.SealedBy == 0 {
			continue
		}
		if sealed++; !errors.Is(k.Problem, keyring.ErrUnsealable) {
			return false
		}
	}
	return sealed > 1
}

func without(kids, others []string) []string {
	return slices.DeleteFunc(slices.Clone(kids), func(kid string) bool { return slices.Contains(others, kid) })
}
