package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// beforeColumns are those of audit_events, where the versions before schema 5 write.
const beforeColumns = `id, at, kind, actor, coalesce(actor_id, ''), coalesce(user_id, ''), coalesce(client_id, ''), coalesce(session_id, ''),
	coalesce(address, ''), coalesce(user_agent, ''), coalesce(request_id, ''), coalesce(detail, '')`

func scanBefore(r row) (audit.Event, error) {
	var e audit.Event
	var at moment
	var detail []byte
	if err := r.Scan(&e.ID, &at, &e.Kind, &e.Actor.Kind, &e.Actor.ID, &e.UserID, &e.ClientID, &e.SessionID,
		&e.Address, &e.UserAgent, &e.RequestID, &detail); err != nil {
		return audit.Event{}, err
	}
	e.At = at.Time
	return e, decodeDetail(&e, detail)
}

// eventsBefore lists the events that have not been moved yet, newest first.
func (s *Store) eventsBefore(ctx context.Context, query audit.Query) ([]audit.Event, error) {
	where, args := []string{"true"}, []any{}
	for _, filter := range []struct{ column, value string }{
		{"user_id = ?", query.UserID}, {"session_id = ?", query.SessionID}, {"request_id = ?", query.RequestID}, {"kind = ?", string(query.Kind)},
	} {
		if filter.value != "" {
			where, args = append(where, filter.column), append(args, filter.value)
		}
	}
	//nolint:gosec // constants; values are bound
	rows, err := s.reader.QueryContext(ctx, `SELECT `+beforeColumns+` FROM audit_events
		WHERE `+strings.Join(where, " AND ")+` ORDER BY at DESC, id DESC LIMIT ?`, append(args, pageSize(query.Limit))...)
	return collect(rows, err, scanBefore)
}

// MoveEvents implements [audit.Sweeper].
func (s *Store) MoveEvents(ctx context.Context, rows int) (int, error) {
	var moved int
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		found, err := t.QueryContext(ctx, `DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events ORDER BY id LIMIT ?)
			RETURNING `+beforeColumns, pageSize(rows))
		events, err := collect(found, err, scanBefore)
		if err != nil {
			return err
		}
		moved = len(events)
		return t.appendEvents(ctx, events...)
	})
	if err != nil {
		return 0, fmt.Errorf("move audit events: %w", err)
	}
	return moved, nil
}
