package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/text"
)

const eventColumns = `id, at, kind, actor, coalesce(actor_id, ''), coalesce(user_id, ''), coalesce(client_id, ''), coalesce(session_id, ''),
	coalesce(address, ''), coalesce(user_agent, ''), coalesce(request_id, ''), detail`

func scanEvent(row pgx.CollectableRow) (audit.Event, error) {
	var e audit.Event
	err := row.Scan(&e.ID, &e.At, &e.Kind, &e.Actor.Kind, &e.Actor.ID, &e.UserID, &e.ClientID, &e.SessionID,
		&e.Address, &e.UserAgent, &e.RequestID, &e.Detail)
	e.At = e.At.UTC()
	return e, err
}

// AppendEvents implements [audit.Store].
func (s *Store) AppendEvents(ctx context.Context, events []audit.Event) error {
	err := s.again(ctx, callTimeout, func(ctx context.Context) error { return appendEvents(ctx, s.pool, events...) })
	if err != nil {
		return fmt.Errorf("append audit events: %w", err)
	}
	return nil
}

// execer is the pool or a transaction.
type execer interface {
	Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error)
}

// appendEvents writes any number of events in one statement.
func appendEvents(ctx context.Context, on execer, events ...audit.Event) error {
	n := len(events)
	ids, kinds, actors := make([]string, n), make([]string, n), make([]string, n)
	times, details := make([]*time.Time, n), make([]map[string]string, n)
	actorIDs, users, clients, sessions := make([]*string, n), make([]*string, n), make([]*string, n), make([]*string, n)
	addresses, agents, requests := make([]*string, n), make([]*string, n), make([]*string, n)
	for i, e := range events {
		e = e.Clean()
		ids[i], times[i], kinds[i], actors[i], details[i] = e.ID, stored(e.At), string(e.Kind), string(e.Actor.Kind), e.Detail
		actorIDs[i], users[i], clients[i], sessions[i] = orNull(e.Actor.ID), orNull(e.UserID), orNull(e.ClientID), orNull(e.SessionID)
		addresses[i], agents[i], requests[i] = orNull(e.Address), orNull(e.UserAgent), orNull(e.RequestID)
	}
	_, err := on.Exec(ctx, `INSERT INTO audit_events
		(id, at, kind, actor, actor_id, user_id, client_id, session_id, address, user_agent, request_id, detail)
		SELECT e.id, coalesce(e.at, clock_timestamp()), e.kind, e.actor, e.actor_id, e.user_id, e.client_id, e.session_id,
			e.address, e.user_agent, e.request_id, e.detail
		FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
			$8::text[], $9::text[], $10::text[], $11::text[], $12::jsonb[])
			AS e (id, at, kind, actor, actor_id, user_id, client_id, session_id, address, user_agent, request_id, detail)
		ON CONFLICT (id) DO NOTHING`,
		ids, times, kinds, actors, actorIDs, users, clients, sessions, addresses, agents, requests, details)
	return err
}

// Events implements [audit.Store].
func (s *Store) Events(ctx context.Context, query audit.Query) ([]audit.Event, error) {
	var where conditions
	for _, filter := range []struct{ column, value string }{
		{"user_id", query.UserID}, {"session_id", query.SessionID}, {"request_id", query.RequestID}, {"kind", string(query.Kind)},
	} {
		switch {
		case filter.value == "":
		case !text.Valid(filter.value):
			return nil, nil
		default:
			where.add(filter.column + " = " + where.arg(filter.value))
		}
	}
	sql := `SELECT ` + eventColumns + ` FROM audit_events` + where.String() + ` ORDER BY at DESC, id DESC` + where.limit(query.Limit)
	events, err := all(ctx, s, scanEvent, sql, where.args...)
	if err != nil {
		return nil, fmt.Errorf("list audit events: %w", err)
	}
	return events, nil
}
