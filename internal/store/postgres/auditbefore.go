package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// beforeColumns are those of audit_events, where the versions before schema 5 write.
const beforeColumns = `id, at, kind, actor, coalesce(actor_id, ''), coalesce(user_id, ''), coalesce(client_id, ''), coalesce(session_id, ''),
	coalesce(address, ''), coalesce(user_agent, ''), coalesce(request_id, ''), detail`

func scanBefore(row pgx.CollectableRow) (audit.Event, error) {
	var e audit.Event
	var at time.Time
	err := row.Scan(&e.ID, &at, &e.Kind, &e.Actor.Kind, &e.Actor.ID, &e.UserID, &e.ClientID, &e.SessionID,
		&e.Address, &e.UserAgent, &e.RequestID, &e.Detail)
	e.At = at.UTC()
	return e, err
}

// eventsBefore lists the events that have not been moved yet, newest first.
func (s *Store) eventsBefore(ctx context.Context, query audit.Query) ([]audit.Event, error) {
	var where conditions
	for _, filter := range []struct{ column, value string }{
		{"user_id", query.UserID}, {"session_id", query.SessionID}, {"request_id", query.RequestID}, {"kind", string(query.Kind)},
	} {
		if filter.value != "" {
			where.add(filter.column + " = " + where.arg(filter.value))
		}
	}
	sql := `SELECT ` + beforeColumns + ` FROM audit_events` + where.String() + ` ORDER BY at DESC, id DESC` + where.limit(query.Limit)
	return all(ctx, s, scanBefore, sql, where.args...)
}

// MoveEvents implements [audit.Sweeper].
func (s *Store) MoveEvents(ctx context.Context, rows int) (int, error) {
	var moved int
	err := s.transact(ctx, callTimeout, func(ctx context.Context, tx pgx.Tx) error {
		found, _ := tx.Query(ctx, `DELETE FROM audit_events WHERE id = ANY (ARRAY(
				SELECT id FROM audit_events ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
			)) RETURNING `+beforeColumns, pageSize(rows)) // its error comes with the rows
		events, err := pgx.CollectRows(found, scanBefore)
		moved = len(events)
		if err != nil || moved == 0 {
			return err
		}
		return appendEvents(ctx, tx, events...)
	})
	if err != nil {
		return 0, fmt.Errorf("move audit events: %w", err)
	}
	return moved, nil
}
