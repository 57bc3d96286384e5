package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
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

// AddSigningKeys implements [keyring.Store]: the write lock is the lock that all
// processes share.
func (s *Store) AddSigningKeys(ctx context.Context, choose func([]keyring.Stored, time.Time) ([]keyring.Stored, []audit.Event)) error {
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		rows, err := t.QueryContext(ctx, selectKeys)
		keys, err := collect(rows, err, scanKey)
		if err != nil {
			return err
		}
		chosen, events := choose(keys, t.now)
		for _, key := range chosen {
			if err := t.addKey(ctx, key); err != nil {
				return err
			}
		}
		return t.appendEvents(ctx, events...)
	})
	if err != nil {
		return fmt.Errorf("add signing keys: %w", err)
	}
	return nil
}

func (t tx) addKey(ctx context.Context, k keyring.Stored) error {
	if k.PublishedAt.IsZero() {
		k.PublishedAt = t.now
	}
	_, err := t.ExecContext(ctx, `INSERT INTO signing_keys (kid, alg, public, sealed, published_at, activates_at, revoked_at)
		VALUES (?, ?, ?, ?, ?, ?, ?)`, k.KID, k.Alg, k.Public, sql.Null[[]byte]{V: k.Sealed, Valid: k.Sealed != nil},
		stored(k.PublishedAt), stored(k.ActivatesAt), stored(k.RevokedAt))
	return err
}
