package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
)

const clientColumns = `id, name, kind, grant_types, rotation, allow_skip, grace, idle_ttl, max_ttl, created_at, disabled_at`

func scanClient(r row) (client.Client, error) { return scanClientAnd(r) }

// scanClientAnd reads clientColumns and whatever columns follow them.
func scanClientAnd(r row, more ...any) (client.Client, error) {
	var c client.Client
	var grants []byte
	var grace, idle, longest sql.Null[int64]
	var created, disabled moment
	columns := []any{
		&c.ID, &c.Name, &c.Kind, &grants, &c.Rotation, &c.AllowSkip,
		&grace, &idle, &longest, &created, &disabled,
	}
	if err := r.Scan(append(columns, more...)...); err != nil {
		return client.Client{}, err
	}
	if err := json.Unmarshal(grants, &c.GrantTypes); err != nil {
		return client.Client{}, fmt.Errorf("grant types of client %s: %w", c.ID, err)
	}
	c.Grace, c.IdleTTL, c.MaxTTL = duration(grace), duration(idle), duration(longest)
	c.CreatedAt, c.DisabledAt = created.Time, disabled.Time
	return c, nil
}

// duration reads a column of microseconds; NULL is nil.
func duration(micros sql.Null[int64]) *time.Duration {
	if !micros.Valid {
		return nil
	}
	return new(time.Duration(micros.V) * time.Microsecond)
}

// Clients implements [client.Store].
func (s *Store) Clients(ctx context.Context) ([]client.Client, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := s.reader.QueryContext(ctx, `SELECT `+clientColumns+` FROM clients WHERE deleted_at IS NULL ORDER BY id`)
	clients, err := collect(rows, err, scanClient)
	if err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	return clients, nil
}

// ClientByID implements [client.Store].
func (s *Store) ClientByID(ctx context.Context, id string) (client.Client, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	c, err := scanClient(s.reader.QueryRowContext(ctx, `SELECT `+clientColumns+` FROM clients WHERE id = ? AND deleted_at IS NULL`, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = client.ErrNotFound
	}
	if err != nil {
		return client.Client{}, fmt.Errorf("read client: %w", err)
	}
	return c, nil
}

func scanChange(r row) (client.Change, error) {
	var change client.Change
	var at moment
	var err error
	change.Client, err = scanClientAnd(r, &at, &change.Deleted)
	change.Mark = client.Mark{At: at.Time, ID: change.Client.ID}
	return change, err
}

// ClientsChanged implements [client.Store].
func (s *Store) ClientsChanged(ctx context.Context, after client.Mark, limit int) ([]client.Change, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := s.reader.QueryContext(ctx, `SELECT `+clientColumns+`, changed_at, deleted_at IS NOT NULL FROM clients
		WHERE (changed_at, id) > (?, ?) ORDER BY changed_at, id LIMIT ?`, after.At.UnixMicro(), after.ID, pageSize(limit))
	changes, err := collect(rows, err, scanChange)
	if err != nil {
		return nil, fmt.Errorf("read changed clients: %w", err)
	}
	return changes, nil
}

// AwaitClients implements [client.Store].
func (s *Store) AwaitClients(ctx context.Context) error { return untold(ctx) }

// DisableClient implements [client.Store].
func (s *Store) DisableClient(ctx context.Context, id string, event audit.Event) error {
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		if err := t.changeOne(ctx, client.ErrNotFound, `UPDATE clients SET disabled_at = coalesce(disabled_at, ?)
			WHERE id = ?`, stored(t.now), id); err != nil {
			return err
		}
		if _, err := t.ExecContext(ctx, `UPDATE sessions SET revoked_at = ?, revoke_reason = ?
			WHERE client_id = ? AND revoked_at IS NULL`, stored(t.now), session.ReasonClient, id); err != nil {
			return err
		}
		return t.appendEvents(ctx, event)
	})
	if err != nil {
		return fmt.Errorf("disable client: %w", err)
	}
	return nil
}

// EnableClient implements [client.Store].
func (s *Store) EnableClient(ctx context.Context, id string, event audit.Event) error {
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		if err := t.changeOne(ctx, client.ErrNotFound, `UPDATE clients SET disabled_at = NULL WHERE id = ?`, id); err != nil {
			return err
		}
		return t.appendEvents(ctx, event)
	})
	if err != nil {
		return fmt.Errorf("enable client: %w", err)
	}
	return nil
}
