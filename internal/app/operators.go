package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/operator"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// Operator works on the stores beside a running serve, by its rules and lifetimes and with
// its hashes. It reads the root secrets and the ephemeral store for those verbs that need
// them, which return ErrRootSecret and ErrUnavailable then.
func (s *Stores) Operator(cfg config.Config) (*operator.Operator, error) {
	hasher, err := newHasher(cfg)
	if err != nil {
		return nil, err
	}
	return operator.New(operator.Config{
		Users: s.Users, Clients: s.Clients, Sessions: s.Sessions, Keys: s.Keys, Events: s.Events,
		Password: user.NewRules(cfg.PasswordMinLength), Hasher: hasher, Lifetimes: lifetimes(cfg), KeyPolicy: keyPolicy(cfg), Now: s.durable.Now,
		Secrets: func() (operator.Secrets, error) {
			cfg, roots, err := inForceWithRoots(cfg)
			return operator.Secrets{Issuer: cfg.Issuer, Roots: roots}, err
		},
		Clocks: func(ctx context.Context) keyring.Clocks { return s.clocks(ctx, cfg) },
		Rotation: func(ctx context.Context, sessionID string) (session.State, clock.Clocks, error) {
			return s.RotationState(ctx, cfg, sessionID)
		},
	}), nil
}

func newHasher(cfg config.Config) (*user.Hasher, error) {
	return user.NewHasher(user.Params{
		MemoryKiB: uint32(cfg.PasswordMemoryKiB), Time: uint32(cfg.PasswordTime), Threads: 1,
	}, cfg.PasswordMaxConcurrent, hashWait)
}

func lifetimes(cfg config.Config) authority.Lifetimes {
	return authority.Lifetimes{IdleTTL: cfg.RefreshIdleTTL, MaxTTL: cfg.RefreshMaxTTL, Grace: cfg.RefreshGrace}
}

func keyPolicy(cfg config.Config) keyring.Policy {
	return keyring.Policy{
		RotateEvery: cfg.KeysRotateEvery, PublishAhead: cfg.KeysPublishAhead, Retain: cfg.KeysRetain, Bits: cfg.KeysRSABits,
	}
}

// inForceWithRoots is the configuration that serve runs with, and its root secrets.
func inForceWithRoots(cfg config.Config) (config.Config, secret.Roots, error) {
	cfg, err := InForce(cfg)
	if err != nil {
		return cfg, nil, err
	}
	roots := cfg.RootSecret
	if cfg.Mode() == config.Embedded && len(roots) == 0 {
		if roots, err = readRootSecret(cfg.DataDir); err != nil {
			return cfg, nil, fmt.Errorf("%w: %w; give this user access to %s, or set MINTMARK_ROOT_SECRET",
				ErrRootSecret, err, filepath.Join(cfg.DataDir, secretFile))
		}
	}
	return cfg, roots, nil
}

// RotationState reads the rotation state of a session and the clock beside it, for an
// operator: in production from Redis, and then with this machine's. It changes nothing.
// ErrUnavailable.
func (s *Stores) RotationState(ctx context.Context, cfg config.Config, sessionID string) (state session.State, now clock.Clocks, err error) {
	if s.states != nil {
		return lookAt(ctx, s.states, sessionID)
	}
	inRedis, err := openRedis(ctx, cfg, nil)
	if err != nil {
		return session.State{}, clock.Clocks{}, err
	}
	state, now, err = lookAt(ctx, inRedis, sessionID)
	now.Machine = time.Now()
	return state, now, errors.Join(err, inRedis.Close())
}

func lookAt(ctx context.Context, states session.States, sessionID string) (state session.State, now clock.Clocks, err error) {
	err = states.UpdateState(ctx, sessionID, time.Hour, func(stored session.State, at clock.Clocks) (session.State, bool) {
		state, now = stored, at
		return stored, false
	})
	return state, now, err
}
