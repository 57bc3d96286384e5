package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/keyring"
)

// keysLock is the advisory lock under which replicas add signing keys: "mintmark"
// in ASCII.
const keysLock int64 = 0x6d696e746d61726b

// keysChannel is where replicas are notified of changed signing keys.
const keysChannel = "mintmark_signing_keys"

const selectKeys = `SELECT kid, alg, public, sealed, published_at, activates_at, revoked_at
	FROM signing_keys ORDER BY activates_at, kid`

func scanKey(row pgx.CollectableRow) (keyring.Stored, error) {
	var k keyring.Stored
	var revoked *time.Time
	err := row.Scan(&k.KID, &k.Alg, &k.Public, &k.Sealed, &k.PublishedAt, &k.ActivatesAt, &revoked)
	k.PublishedAt, k.ActivatesAt, k.RevokedAt = k.PublishedAt.UTC(), k.ActivatesAt.UTC(), when(revoked)
	return k, err
}

// SigningKeys implements [keyring.Store].
func (s *Store) SigningKeys(ctx context.Context) ([]keyring.Stored, time.Time, error) {
	var keys []keyring.Stored
	var now time.Time
	err := s.again(ctx, readTimeout, func(ctx context.Context) error {
		batch := &pgx.Batch{} // one round trip
		batch.Queue(selectKeys).Query(func(rows pgx.Rows) (err error) {
			keys, err = pgx.CollectRows(rows, scanKey)
			return err
		})
		batch.Queue(`SELECT clock_timestamp(), ` + writable).QueryRow(func(row pgx.Row) error {
			var writable bool
			if err := row.Scan(&now, &writable); err != nil || writable {
				return err
			}
			return ErrReadOnly
		})
		return s.pool.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read signing keys: %w", err)
	}
	return keys, now.UTC(), nil
}

// ChangeSigningKeys implements [keyring.Store].
func (s *Store) ChangeSigningKeys(ctx context.Context, decide func([]keyring.Stored, time.Time) (keyring.Change, error)) error {
	err := s.transact(ctx, callTimeout, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, keysLock); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, selectKeys) // its error comes with the rows
		keys, err := pgx.CollectRows(rows, scanKey)
		if err != nil {
			return err
		}
		var now time.Time
		if err := tx.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
			return err
		}
		change, err := decide(keys, now.UTC())
		if err != nil {
			return err
		}
		return changeKeys(ctx, tx, change, now)
	})
	if err != nil {
		return fmt.Errorf("change signing keys: %w", err)
	}
	return nil
}

func changeKeys(ctx context.Context, tx pgx.Tx, change keyring.Change, now time.Time) error {
	for _, key := range change.Update {
		if err := updateKey(ctx, tx, key); err != nil {
			return err
		}
	}
	for _, key := range change.Add {
		if err := addKey(ctx, tx, key, now); err != nil {
			return err
		}
	}
	if len(change.Update)+len(change.Add) > 0 { // heard when this commits
		if _, err := tx.Exec(ctx, `SELECT pg_notify($1, '')`, keysChannel); err != nil {
			return err
		}
	}
	return appendEvents(ctx, tx, change.Events...)
}

func updateKey(ctx context.Context, tx pgx.Tx, k keyring.Stored) error {
	return changeOne(ctx, tx, keyring.ErrUnknownKey,
		`UPDATE signing_keys SET activates_at = $2, revoked_at = $3, sealed = $4 WHERE kid = $1`,
		k.KID, k.ActivatesAt, stored(k.RevokedAt), k.Sealed)
}

func addKey(ctx context.Context, tx pgx.Tx, k keyring.Stored, now time.Time) error {
	if k.PublishedAt.IsZero() {
		k.PublishedAt = now
	}
	_, err := tx.Exec(ctx, `INSERT INTO signing_keys (kid, alg, public, sealed, published_at, activates_at, revoked_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		k.KID, k.Alg, k.Public, k.Sealed, k.PublishedAt, k.ActivatesAt, stored(k.RevokedAt))
	return err
}

// AwaitSigningKeys implements [keyring.Store].
func (s *Store) AwaitSigningKeys(ctx context.Context) error {
	if err := s.notices.await(ctx, keysChannel); err != nil {
		return fmt.Errorf("listen for signing keys: %w", err)
	}
	return nil
}
