package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/internal/keyring"
)

const selectKeys = `SELECT kid, alg, public, sealed, published_at, activates_at, revoked_at
	FROM signing_keys ORDER BY activates_at, kid`

func scanKey(r row) (keyring.Stored, error) {
	var k keyring.Stored
	var published, activates, revoked moment
	err := r.Scan(&k.KID, &k.Alg, &k.Public, &k.Sealed, &published, &activates, &revoked)
	k.PublishedAt, k.ActivatesAt, k.RevokedAt = published.Time, activates.Time, revoked.Time
	return k, err
}

// SigningKeys implements [keyring.Store].
func (s *Store) SigningKeys(ctx context.Context) ([]keyring.Stored, time.Time, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := s.reader.QueryContext(ctx, selectKeys)
	keys, err := collect(rows, err, scanKey)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read signing keys: %w", err)
	}
	return keys, s.now(), nil
}

// ChangeSigningKeys implements [keyring.Store]: the write lock is the lock that all
// processes share.
func (s *Store) ChangeSigningKeys(ctx context.Context, decide func([]keyring.Stored, time.Time) (keyring.Change, error)) error {
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		rows, err := t.QueryContext(ctx, selectKeys)
		keys, err := collect(rows, err, scanKey)
		if err != nil {
			return err
		}
		change, err := decide(keys, t.now)
		if err != nil {
			return err
		}
		for _, key := range change.Update {
			if err := t.updateKey(ctx, key); err != nil {
				return err
			}
		}
		for _, key := range change.Add {
			if err := t.addKey(ctx, key); err != nil {
				return err
			}
		}
		return t.appendEvents(ctx, change.Events...)
	})
	if err != nil {
		return fmt.Errorf("change signing keys: %w", err)
	}
	return nil
}

// AwaitSigningKeys implements [keyring.Store].
func (s *Store) AwaitSigningKeys(ctx context.Context) error { return untold(ctx) }

func (t tx) updateKey(ctx context.Context, k keyring.Stored) error {
	return t.changeOne(ctx, keyring.ErrUnknownKey,
		`UPDATE signing_keys SET activates_at = ?, revoked_at = ?, sealed = ? WHERE kid = ?`,
		stored(k.ActivatesAt), stored(k.RevokedAt), sealed(k), k.KID)
}

func (t tx) addKey(ctx context.Context, k keyring.Stored) error {
	if k.PublishedAt.IsZero() {
		k.PublishedAt = t.now
	}
	_, err := t.ExecContext(ctx, `INSERT INTO signing_keys (kid, alg, public, sealed, published_at, activates_at, revoked_at)
		VALUES (?, ?, ?, ?, ?, ?, ?)`, k.KID, k.Alg, k.Public, sealed(k),
		stored(k.PublishedAt), stored(k.ActivatesAt), stored(k.RevokedAt))
	return err
}

func sealed(k keyring.Stored) sql.Null[[]byte] {
	return sql.Null[[]byte]{V: k.Sealed, Valid: k.Sealed != nil}
}
