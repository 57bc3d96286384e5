package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// Mint reads the refresh tokens of a running serve, for an operator: with its root
// secrets, and under the issuer that it serves. ErrRootSecret.
func Mint(cfg config.Config) (*session.Mint, error) {
	cfg, roots, err := inForceWithRoots(cfg)
	if err != nil {
		return nil, err
	}
	return session.NewMint(cfg.Issuer, roots), nil
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

// RotationState reads the rotation state of a session and the clock beside it,
// for an operator: in production from Redis. It changes nothing. ErrUnavailable.
func (s *Stores) RotationState(ctx context.Context, cfg config.Config, sessionID string) (state session.State, now time.Time, err error) {
	e, err := openEphemeral(ctx, cfg, s.durable, nil)
	if err != nil {
		return session.State{}, time.Time{}, err
	}
	err = e.states.UpdateState(ctx, sessionID, time.Hour, func(stored session.State, at time.Time) (session.State, bool) {
		state, now = stored, at
		return stored, false
	})
	return state, now, errors.Join(err, e.close())
}
