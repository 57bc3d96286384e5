package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

const eventColumns = `id, at, kind, actor, coalesce(actor_id, ''), coalesce(user_id, ''), coalesce(client_id, ''), coalesce(session_id, ''),
	coalesce(address, ''), coalesce(user_agent, ''), coalesce(request_id, ''), coalesce(detail, '')`

func scanEvent(r row) (audit.Event, error) {
	var e audit.Event
	var at moment
	var detail []byte
	if err := r.Scan(&e.ID, &at, &e.Kind, &e.Actor.Kind, &e.Actor.ID, &e.UserID, &e.ClientID, &e.SessionID,
		&e.Address, &e.UserAgent, &e.RequestID, &detail); err != nil {
		return audit.Event{}, err
	}
	e.At = at.Time
	if len(detail) > 0 {
		if err := json.Unmarshal(detail, &e.Detail); err != nil {
			return audit.Event{}, fmt.Errorf("detail of event %s: %w", e.ID, err)
		}
	}
	return e, nil
}

// AppendEvents implements [audit.Store].
func (s *Store) AppendEvents(ctx context.Context, events []audit.Event) error {
	if len(events) == 0 {
		return ctx.Err()
	}
	err := s.write(ctx, func(ctx context.Context, t tx) error { return t.appendEvents(ctx, events...) })
	if err != nil {
		return fmt.Errorf("append audit events: %w", err)
	}
	return nil
}

func (t tx) appendEvents(ctx context.Context, events ...audit.Event) error {
	for _, e := range events {
		e = e.Clean()
		if e.At.IsZero() {
			e.At = t.now
		}
		var detail any
		if len(e.Detail) > 0 {
			text, err := json.Marshal(e.Detail)
			if err != nil {
				return fmt.Errorf("encode event %s: %w", e.ID, err)
			}
			detail = string(text)
		}
		if _, err := t.ExecContext(ctx, `INSERT INTO audit_events
			(id, at, kind, actor, actor_id, user_id, client_id, session_id, address, user_agent, request_id, detail)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			e.ID, stored(e.At), e.Kind, e.Actor.Kind, orNull(e.Actor.ID), orNull(e.UserID), orNull(e.ClientID), orNull(e.SessionID),
			orNull(e.Address), orNull(e.UserAgent), orNull(e.RequestID), detail); err != nil {
			return err
		}
	}
	return nil
}

// Events implements [audit.Store].
func (s *Store) Events(ctx context.Context, query audit.Query) ([]audit.Event, error) {
	where, args := []string{"true"}, []any{}
	for _, filter := range []struct{ column, value string }{
		{"user_id = ?", query.UserID}, {"session_id = ?", query.SessionID}, {"request_id = ?", query.RequestID}, {"kind = ?", string(query.Kind)},
	} {
		if filter.value != "" {
			where, args = append(where, filter.column), append(args, filter.value)
		}
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	//nolint:gosec // constants; values are bound
	rows, err := s.reader.QueryContext(ctx, `SELECT `+eventColumns+` FROM audit_events
		WHERE `+strings.Join(where, " AND ")+` ORDER BY at DESC, id DESC LIMIT ?`, append(args, pageSize(query.Limit))...)
	events, err := collect(rows, err, scanEvent)
	if err != nil {
		return nil, fmt.Errorf("list audit events: %w", err)
	}
	return events, nil
}
