package app

import (
	"context"
	"time"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// Accounts adds users and sets passwords in the stores, by the rules and with the
// hashes of serve.
func Accounts(cfg config.Config, stores *Stores) (authority.Accounts, error) {
	hasher, err := newHasher(cfg)
	if err != nil {
		return authority.Accounts{}, err
	}
	return authority.Accounts{Users: stores.Users, Rules: user.NewRules(cfg.PasswordMinLength), Hasher: hasher}, nil
}

func newHasher(cfg config.Config) (*user.Hasher, error) {
	return user.NewHasher(user.Params{
		MemoryKiB: uint32(cfg.PasswordMemoryKiB), Time: uint32(cfg.PasswordTime), Threads: 1,
	}, cfg.PasswordMaxConcurrent, hashWait)
}

// SigningKeys lists every signing key with its state, in order of activation, and
// gives the clock of the store. It opens no private half and needs no root secret.
func SigningKeys(ctx context.Context, cfg config.Config, stores *Stores) ([]keyring.Listed, time.Time, error) {
	return keyring.New(stores.Keys, nil, keyPolicy(cfg)).List(ctx)
}

// Keyring is the signing keys for an operator to change, with the root secrets and
// under the issuer of a running serve. ErrRootSecret.
func Keyring(cfg config.Config, stores *Stores) (*keyring.Keyring, error) {
	cfg, roots, err := inForceWithRoots(cfg)
	if err != nil {
		return nil, err
	}
	return keyring.New(stores.Keys, keyring.NewSealer(cfg.Issuer, roots), keyPolicy(cfg)), nil
}

func keyPolicy(cfg config.Config) keyring.Policy {
	return keyring.Policy{
		RotateEvery: cfg.KeysRotateEvery, PublishAhead: cfg.KeysPublishAhead, Retain: cfg.KeysRetain, Bits: cfg.KeysRSABits,
	}
}
