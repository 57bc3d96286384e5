package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

const eventColumns = `id, at, kind, actor, coalesce(actor_id, ''), user_id, coalesce(client_id, ''), session_id,
	coalesce(address, ''), coalesce(user_agent, ''), request_id, coalesce(detail, '')`

func scanEvent(r row) (audit.Event, error) {
	var e audit.Event
	var at moment
	var detail []byte
	if err := r.Scan((*name)(&e.ID), &at, &e.Kind, &e.Actor.Kind, &e.Actor.ID, (*name)(&e.UserID), &e.ClientID, (*name)(&e.SessionID),
		&e.Address, &e.UserAgent, (*name)(&e.RequestID), &detail); err != nil {
		return audit.Event{}, err
	}
	e.At = at.Time
	err := decodeDetail(&e, detail)
	return e.Unpack(), err
}

func decodeDetail(e *audit.Event, detail []byte) error {
	if len(detail) == 0 {
		return nil
	}
	if err := json.Unmarshal(detail, &e.Detail); err != nil {
		return fmt.Errorf("detail of event %s: %w", e.ID, err)
	}
	return nil
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
		e = e.Pack()
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
		request := idOrText(e.RequestID)
		if !e.IsNear() {
			request = orNull(e.RequestID)
		}
		if _, err := t.ExecContext(ctx, `INSERT INTO events
			(id, at, kind, actor, actor_id, user_id, client_id, session_id, address, user_agent, request_id, detail)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			idOrText(e.ID), stored(e.At), e.Kind, e.Actor.Kind, orNull(e.Actor.ID), idOrText(e.UserID), orNull(e.ClientID), idOrText(e.SessionID),
			orNull(e.Address), orNull(e.UserAgent), request, detail); err != nil {
			return err
		}
	}
	return nil
}

// Events implements [audit.Store].
func (s *Store) Events(ctx context.Context, query audit.Query) ([]audit.Event, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	before, err := s.eventsBefore(ctx, query) // first: what is moved between the two is read twice
	if err != nil {
		return nil, fmt.Errorf("list audit events: %w", err)
	}
	where, args := eventsWhere(query)
	//nolint:gosec // constants; values are bound
	rows, err := s.reader.QueryContext(ctx, `SELECT `+eventColumns+` FROM events
		WHERE `+strings.Join(where, " AND ")+` ORDER BY id DESC LIMIT ?`, append(args, pageSize(query.Limit))...)
	events, err := collect(rows, err, scanEvent)
	if err != nil {
		return nil, fmt.Errorf("list audit events: %w", err)
	}
	return audit.Merge(events, before, pageSize(query.Limit)), nil
}

// eventsWhere demands what the query does.
func eventsWhere(query audit.Query) (where []string, args []any) {
	where = []string{"true"}
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if query.UserID != "" {
		add("user_id = ?", idOrText(query.UserID))
	}
	if query.SessionID != "" {
		id := idOrText(query.SessionID)
		add("(session_id = ? OR id = ? AND kind = 'session.started' AND session_id IS NULL)", id, id)
	}
	const byText = "request_id = ? AND typeof(request_id) = 'text'"
	if from, to, ok := audit.Near(query.RequestID); ok {
		add("(id >= ? AND id < ? AND request_id = ? OR "+byText+")", idOrText(from), idOrText(to), idOrText(query.RequestID), query.RequestID)
	} else if query.RequestID != "" {
		add(byText, query.RequestID)
	}
	if query.Kind != "" {
		add("kind = ?", string(query.Kind))
	}
	return where, args
}
