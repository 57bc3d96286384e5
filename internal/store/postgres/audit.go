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

const eventColumns = `id, at, kind, actor, coalesce(actor_id, ''), coalesce(user_id::text, other->>'user_id', ''), coalesce(client_id, ''),
	coalesce(session_id::text, other->>'session_id', ''), coalesce(address, ''), coalesce(user_agent, ''),
	coalesce(request_id::text, other->>'request_id', ''), detail`

func scanEvent(row pgx.CollectableRow) (audit.Event, error) {
	var e audit.Event
	err := row.Scan(&e.ID, &e.At, &e.Kind, &e.Actor.Kind, &e.Actor.ID, &e.UserID, &e.ClientID, &e.SessionID,
		&e.Address, &e.UserAgent, &e.RequestID, &e.Detail)
	e.At = e.At.UTC()
	return e.Unpack(), err
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
	times, details, others := make([]*time.Time, n), make([]map[string]string, n), make([]map[string]string, n)
	actorIDs, users, clients, sessions := make([]*string, n), make([]*string, n), make([]*string, n), make([]*string, n)
	addresses, agents, requests := make([]*string, n), make([]*string, n), make([]*string, n)
	for i, e := range events {
		e = e.Pack()
		ids[i], times[i], kinds[i], actors[i], details[i] = e.ID, stored(e.At), string(e.Kind), string(e.Actor.Kind), e.Detail
		actorIDs[i], clients[i], addresses[i], agents[i] = orNull(e.Actor.ID), orNull(e.ClientID), orNull(e.Address), orNull(e.UserAgent)
		var other names
		users[i] = other.orID("user_id", e.UserID, isID(e.UserID))
		sessions[i] = other.orID("session_id", e.SessionID, isID(e.SessionID))
		requests[i] = other.orID("request_id", e.RequestID, e.IsNear())
		others[i] = other
	}
	_, err := on.Exec(ctx, `INSERT INTO events
		(id, at, kind, actor, actor_id, user_id, client_id, session_id, address, user_agent, request_id, detail, other)
		SELECT e.id, coalesce(e.at, clock_timestamp()), e.kind, e.actor, e.actor_id, e.user_id, e.client_id, e.session_id,
			e.address, e.user_agent, e.request_id, e.detail, e.other
		FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[],
			$8::uuid[], $9::text[], $10::text[], $11::uuid[], $12::jsonb[], $13::jsonb[])
			AS e (id, at, kind, actor, actor_id, user_id, client_id, session_id, address, user_agent, request_id, detail, other)
		ON CONFLICT (id) DO NOTHING`,
		ids, times, kinds, actors, actorIDs, users, clients, sessions, addresses, agents, requests, details, others)
	return err
}

// names are those of an event that have no place in the columns of UUIDs.
type names map[string]string

// orID gives the value of such a column; a name that does not belong there is noted.
func (n *names) orID(column, name string, isID bool) *string {
	if isID || name == "" {
		return orNull(name)
	}
	if *n == nil {
		*n = names{}
	}
	(*n)[column] = name
	return nil
}

// Events implements [audit.Store].
func (s *Store) Events(ctx context.Context, query audit.Query) ([]audit.Event, error) {
	for _, name := range []string{query.UserID, query.SessionID, query.RequestID, string(query.Kind)} {
		if !text.Valid(name) {
			return nil, nil
		}
	}
	before, err := s.eventsBefore(ctx, query) // first: what is moved between the two is read twice
	if err != nil {
		return nil, fmt.Errorf("list audit events: %w", err)
	}
	var where conditions
	where.events(query)
	sql := `SELECT ` + eventColumns + ` FROM events` + where.String() + ` ORDER BY id DESC` + where.limit(query.Limit)
	events, err := all(ctx, s, scanEvent, sql, where.args...)
	if err != nil {
		return nil, fmt.Errorf("list audit events: %w", err)
	}
	return audit.Merge(events, before, pageSize(query.Limit)), nil
}

// events demands what the query does.
func (c *conditions) events(query audit.Query) {
	if isID(query.UserID) {
		c.add("user_id = " + c.arg(query.UserID))
	} else if query.UserID != "" {
		c.add(c.other("user_id", query.UserID))
	}
	if isID(query.SessionID) {
		id := c.arg(query.SessionID)
		c.add(`(session_id = ` + id + ` OR id = ` + id + ` AND kind = 'session.started' AND session_id IS NULL AND NOT coalesce(other ? 'session_id', false))`)
	} else if query.SessionID != "" {
		c.add(c.other("session_id", query.SessionID))
	}
	if from, to, ok := audit.Near(query.RequestID); ok {
		c.add(`(id >= ` + c.arg(from) + ` AND id < ` + c.arg(to) + ` AND request_id = ` + c.arg(query.RequestID) +
			` OR ` + c.other("request_id", query.RequestID) + `)`)
	} else if query.RequestID != "" {
		c.add(c.other("request_id", query.RequestID))
	}
	if query.Kind != "" {
		c.add("kind = " + c.arg(string(query.Kind)))
	}
}

// other demands that an event has a name that is in no column of UUIDs.
func (c *conditions) other(column, name string) string {
	return "other @> " + c.arg(map[string]string{column: name})
}
