package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/text"
)

const clientColumns = `id, name, kind, grant_types, rotation, allow_skip, grace, idle_ttl, max_ttl, created_at, disabled_at`

// clientsChannel is where the schema notifies of changed clients.
const clientsChannel = "mintmark_clients"

func scanClient(row pgx.CollectableRow) (client.Client, error) { return scanClientAnd(row) }

// scanClientAnd reads clientColumns and whatever columns follow them.
func scanClientAnd(row pgx.CollectableRow, more ...any) (client.Client, error) {
	var c client.Client
	var grace, idle, longest *int64
	var disabled *time.Time
	columns := []any{
		&c.ID, &c.Name, &c.Kind, &c.GrantTypes, &c.Rotation, &c.AllowSkip,
		&grace, &idle, &longest, &c.CreatedAt, &disabled,
	}
	err := row.Scan(append(columns, more...)...)
	c.Grace, c.IdleTTL, c.MaxTTL = duration(grace), duration(idle), duration(longest)
	c.CreatedAt, c.DisabledAt = c.CreatedAt.UTC(), when(disabled)
	return c, err
}

// duration reads a column of microseconds; NULL is nil.
func duration(micros *int64) *time.Duration {
	if micros == nil {
		return nil
	}
	return new(time.Duration(*micros) * time.Microsecond)
}

// Clients implements [client.Store].
func (s *Store) Clients(ctx context.Context) ([]client.Client, error) {
	clients, err := all(ctx, s, scanClient, `SELECT `+clientColumns+` FROM clients WHERE deleted_at IS NULL ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	return clients, nil
}

// ClientByID implements [client.Store].
func (s *Store) ClientByID(ctx context.Context, id string) (client.Client, error) {
	if !text.Valid(id) {
		return client.Client{}, fmt.Errorf("read client: %w", client.ErrNotFound)
	}
	c, err := one(ctx, s, client.ErrNotFound, scanClient, `SELECT `+clientColumns+` FROM clients WHERE id = $1 AND deleted_at IS NULL`, id)
	if err != nil {
		return client.Client{}, fmt.Errorf("read client: %w", err)
	}
	return c, nil
}

func scanChange(row pgx.CollectableRow) (client.Change, error) {
	var change client.Change
	var err error
	change.Client, err = scanClientAnd(row, &change.Mark.At, &change.Deleted)
	change.Mark = client.Mark{At: change.Mark.At.UTC(), ID: change.Client.ID}
	return change, err
}

// ClientsChanged implements [client.Store].
func (s *Store) ClientsChanged(ctx context.Context, after client.Mark, limit int) ([]client.Change, error) {
	changes, err := all(ctx, s, scanChange, `SELECT `+clientColumns+`, changed_at, deleted_at IS NOT NULL FROM clients
		WHERE (changed_at, id) > ($1, $2) ORDER BY changed_at, id LIMIT $3`, after.At, after.ID, pageSize(limit))
	if err != nil {
		return nil, fmt.Errorf("read changed clients: %w", err)
	}
	return changes, nil
}

// AwaitClients implements [client.Store].
func (s *Store) AwaitClients(ctx context.Context) error {
	if err := s.notices.await(ctx, clientsChannel); err != nil {
		return fmt.Errorf("listen for clients: %w", err)
	}
	return nil
}

// DisableClient implements [client.Store].
func (s *Store) DisableClient(ctx context.Context, id string, event audit.Event) error {
	err := s.changeClient(ctx, id, func(ctx context.Context, tx pgx.Tx) error {
		if err := changeOne(ctx, tx, client.ErrNotFound, `UPDATE clients
			SET disabled_at = coalesce(disabled_at, clock_timestamp()) WHERE id = $1`, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `WITH live AS (
				SELECT family FROM sessions WHERE client_id = $1 AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE
			) UPDATE sessions s SET revoked_at = clock_timestamp(), revoke_reason = $2
			FROM live WHERE s.family = live.family`, id, session.ReasonClient); err != nil {
			return err
		}
		return appendEvents(ctx, tx, event)
	})
	if err != nil {
		return fmt.Errorf("disable client: %w", err)
	}
	return nil
}

// EnableClient implements [client.Store].
func (s *Store) EnableClient(ctx context.Context, id string, event audit.Event) error {
	err := s.changeClient(ctx, id, func(ctx context.Context, tx pgx.Tx) error {
		if err := changeOne(ctx, tx, client.ErrNotFound, `UPDATE clients SET disabled_at = NULL WHERE id = $1`, id); err != nil {
			return err
		}
		return appendEvents(ctx, tx, event)
	})
	if err != nil {
		return fmt.Errorf("enable client: %w", err)
	}
	return nil
}

func (s *Store) changeClient(ctx context.Context, id string, work func(context.Context, pgx.Tx) error) error {
	if !text.Valid(id) {
		return client.ErrNotFound
	}
	return s.transact(ctx, bulkTimeout, work)
}
