package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
)

const sessionColumns = `s.id, s.family, coalesce(s.user_id, ''), s.client_id, s.created_at, s.absolute_expiry, s.revoked_at,
	coalesce(s.revoke_reason, ''), s.checkpoint, s.last_seen_at, s.address, s.user_agent, s.status_index,
	s.scope, s.resources, s.auth_time, coalesce(s.acr, ''), s.amr, s.jkt`

// scanSession reads sessionColumns and whatever columns follow them.
func scanSession(r row, more ...any) (session.Session, error) {
	var x session.Session
	var family []byte
	var created, expiry, revoked, seen, authenticated moment
	columns := []any{
		&x.ID, &family, &x.UserID, &x.ClientID, &created, &expiry, &revoked,
		&x.RevokeReason, &x.Checkpoint, &seen, &x.Address, &x.UserAgent, &x.StatusIndex,
		&x.Scope, (*texts)(&x.Resources), &authenticated, &x.ACR, (*texts)(&x.AMR), &x.JKT,
	}
	if err := r.Scan(append(columns, more...)...); err != nil {
		return session.Session{}, err
	}
	copy(x.Family[:], family)
	x.CreatedAt, x.AbsoluteExpiry, x.RevokedAt, x.LastSeenAt = created.Time, expiry.Time, revoked.Time, seen.Time
	x.AuthTime = authenticated.Time
	x.AuthTime = x.Authenticated()
	return x, nil
}

// StartSession implements [session.Store]. A client disabled meanwhile refuses
// the session like a user who changed.
func (s *Store) StartSession(ctx context.Context, x session.Session, terms session.Terms, event audit.Event) (session.Session, error) {
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		highest, err := t.admit(ctx, x, terms.Seen)
		if err != nil {
			return err
		}
		if x.StatusIndex, err = t.takeIndex(ctx, terms, s.draw(highest)); err != nil {
			return err
		}
		start, end := terms.StartAt(t.now)
		x.CreatedAt, x.AbsoluteExpiry = start.UTC().Truncate(time.Microsecond), end.UTC().Truncate(time.Microsecond)
		x.LastSeenAt = x.CreatedAt
		x.RevokedAt, x.RevokeReason = time.Time{}, ""
		x.Checkpoint = max(x.Checkpoint, 1)
		x.Address, x.UserAgent = audit.Address(x.Address), audit.UserAgent(x.UserAgent)
		if err := t.insert(ctx, x); err != nil {
			return err
		}
		if err := terms.Allowed(x.CreatedAt); err != nil {
			return err
		}
		return t.appendEvents(ctx, event)
	})
	if err != nil {
		return session.Session{}, fmt.Errorf("start session: %w", err)
	}
	x.AuthTime = x.Authenticated()
	return x, nil
}

func (t tx) insert(ctx context.Context, x session.Session) error {
	_, err := t.ExecContext(ctx, `INSERT INTO sessions
		(family, id, user_id, client_id, created_at, absolute_expiry, checkpoint, last_seen_at, address, user_agent, status_index,
			scope, resources, auth_time, acr, amr, jkt)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		x.Family[:], x.ID, x.UserID, x.ClientID, stored(x.CreatedAt), stored(x.AbsoluteExpiry),
		x.Checkpoint, stored(x.LastSeenAt), x.Address, x.UserAgent, x.StatusIndex,
		x.Scope, array(x.Resources), stored(x.AuthTime), orNull(x.ACR), arrayOrNull(x.AMR), blobOrNull(x.JKT))
	return err
}

// admit checks the user and the client, and gives the highest status index in use.
func (t tx) admit(ctx context.Context, x session.Session, seen time.Time) (highest int64, err error) {
	var valid moment
	err = t.QueryRowContext(ctx, `SELECT u.sessions_valid_after, (`+selectHighest+`)
		FROM users u, clients c
		WHERE u.id = ? AND u.disabled_at IS NULL AND u.deleted_at IS NULL
		AND c.id = ? AND c.disabled_at IS NULL AND c.deleted_at IS NULL`, x.UserID, x.ClientID).Scan(&valid, &highest)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && !valid.Equal(seen)) {
		return 0, session.ErrUserChanged
	}
	return highest, err
}

const (
	// A session without a user is ended by none: no row of users, no time of an end.
	standings = `SELECT ` + sessionColumns + `, coalesce(u.username, ''),
		u.disabled_at IS NULL AND u.deleted_at IS NULL, c.disabled_at IS NULL AND c.deleted_at IS NULL, u.sessions_valid_after
		FROM sessions s LEFT JOIN users u ON u.id = s.user_id JOIN clients c ON c.id = s.client_id`
	selectStanding = standings + ` WHERE s.family = ?`
)

// StandingByFamily implements [session.Store].
func (s *Store) StandingByFamily(ctx context.Context, family session.FamilyHash) (session.Standing, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return s.scanStanding(s.standing.QueryRowContext(ctx, family[:]))
}

// StandingByID implements [session.Store].
func (s *Store) StandingByID(ctx context.Context, id string) (session.Standing, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return s.scanStanding(s.reader.QueryRowContext(ctx, standings+` WHERE s.id = ?`, id))
}

func (s *Store) scanStanding(r row) (session.Standing, error) {
	var standing session.Standing
	var valid moment
	x, err := scanSession(r,
		&standing.Username, &standing.UserActive, &standing.ClientEnabled, &valid)
	if errors.Is(err, sql.ErrNoRows) {
		err = session.ErrNotFound
	}
	if err != nil {
		return session.Standing{}, fmt.Errorf("read session: %w", err)
	}
	standing.Session, standing.SessionsValidAfter, standing.Now = x, valid.Time, s.now()
	return standing, nil
}

// SessionByID implements [session.Store].
func (s *Store) SessionByID(ctx context.Context, id string) (session.Session, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	x, err := scanSession(s.reader.QueryRowContext(ctx, `SELECT `+sessionColumns+` FROM sessions s WHERE s.id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = session.ErrNotFound
	}
	if err != nil {
		return session.Session{}, fmt.Errorf("read session: %w", err)
	}
	return x, nil
}

// unlapsed says that a session is within its idle lifetime.
const unlapsed = `s.last_seen_at > ? - coalesce((SELECT c.idle_ttl FROM clients c WHERE c.id = s.client_id) + ?, ?)`

// Sessions implements [session.Store].
func (s *Store) Sessions(ctx context.Context, query session.Query) ([]session.Session, error) {
	if query.After != "" && !isID(query.After) {
		return nil, nil
	}
	from, where, args := "sessions s", []string{"true"}, []any{}
	if query.UserID != "" {
		from, args = `SELECT * FROM sessions WHERE user_id = ? AND revoked_at IS NULL`, append(args, query.UserID)
		if query.Live == session.Any { // ended ones are in an index of their own
			from, args = from+` UNION ALL SELECT * FROM sessions WHERE user_id = ? AND revoked_at IS NOT NULL`, append(args, query.UserID)
		}
		from = `(` + from + `) s`
	}
	if query.Live == session.LiveOnly {
		now := stored(s.now())
		where = append(where, "s.revoked_at IS NULL AND s.absolute_expiry > ?", unlapsed)
		args = append(args, now, now, session.IdleLag.Microseconds(), query.IdleFor().Microseconds())
	}
	if query.After != "" {
		where, args = append(where, "s.id < ?"), append(args, query.After)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	//nolint:gosec // constants; values are bound
	rows, err := s.reader.QueryContext(ctx, `SELECT `+sessionColumns+` FROM `+from+`
		WHERE `+strings.Join(where, " AND ")+` ORDER BY s.id DESC LIMIT ?`, append(args, pageSize(query.Limit))...)
	sessions, err := collect(rows, err, func(r row) (session.Session, error) { return scanSession(r) })
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return sessions, nil
}

// UnendedSessions implements [session.Store].
func (s *Store) UnendedSessions(ctx context.Context, userID, clientID string, limit int) ([]session.Session, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := s.reader.QueryContext(ctx, `SELECT `+sessionColumns+` FROM sessions s
		WHERE s.user_id = ? AND s.client_id = ? AND s.revoked_at IS NULL LIMIT ?`, userID, clientID, limit)
	sessions, err := collect(rows, err, func(r row) (session.Session, error) { return scanSession(r) })
	if err != nil {
		return nil, fmt.Errorf("list unended sessions: %w", err)
	}
	return sessions, nil
}

// RevokeSession implements [session.Store].
func (s *Store) RevokeSession(ctx context.Context, id, reason string, event audit.Event) (session.Ended, error) {
	var ended session.Ended
	err := s.write(ctx, func(ctx context.Context, t tx) (err error) {
		ended, err = t.revoke(ctx, id, reason, event)
		return err
	})
	if err != nil {
		return session.Ended{}, fmt.Errorf("revoke session: %w", err)
	}
	return ended, nil
}

// revoke ends a session, if it was not ended before. ErrNotFound.
func (t tx) revoke(ctx context.Context, id, reason string, event audit.Event) (session.Ended, error) {
	var ended session.Ended
	var revoked moment
	err := t.QueryRowContext(ctx, `SELECT revoked_at, status_index FROM sessions WHERE id = ?`, id).Scan(&revoked, &ended.StatusIndex)
	if errors.Is(err, sql.ErrNoRows) {
		return session.Ended{}, session.ErrNotFound
	}
	ended.At, ended.Before = revoked.Time, !revoked.IsZero()
	if err != nil || ended.Before {
		return ended, err
	}
	ended.At = later(t.now, event.At.UTC().Truncate(time.Microsecond))
	if _, err := t.ExecContext(ctx, `UPDATE sessions SET revoked_at = ?, revoke_reason = ? WHERE id = ?`,
		stored(ended.At), reason, id); err != nil {
		return session.Ended{}, err
	}
	return ended, t.appendEvents(ctx, event)
}

// RevokeOther implements [session.Store].
func (s *Store) RevokeOther(ctx context.Context, id, by, reason string, event audit.Event) (session.Ended, error) {
	var ended session.Ended
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		var allowed bool
		err := t.QueryRowContext(ctx, `SELECT b.revoked_at IS NULL
			FROM sessions s JOIN sessions b ON b.user_id = s.user_id
			WHERE s.id = ? AND b.id = ? AND b.id <> s.id`, id, by).Scan(&allowed)
		switch {
		case errors.Is(err, sql.ErrNoRows), err == nil && !allowed:
			return session.ErrNotFound
		case err != nil:
			return err
		}
		ended, err = t.revoke(ctx, id, reason, event)
		return err
	})
	if err != nil {
		return session.Ended{}, fmt.Errorf("revoke other session: %w", err)
	}
	return ended, nil
}

// RevokeOthers implements [session.Store].
func (s *Store) RevokeOthers(ctx context.Context, userID, keep, reason string, event audit.Event) ([]session.Ended, error) {
	var ended []session.Ended
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		var live bool
		err := t.QueryRowContext(ctx, `SELECT revoked_at IS NULL FROM sessions WHERE id = ? AND user_id = ?`, keep, userID).Scan(&live)
		switch {
		case errors.Is(err, sql.ErrNoRows), err == nil && !live:
			return session.ErrNotFound
		case err != nil:
			return err
		}
		rows, err := t.QueryContext(ctx, `UPDATE sessions SET revoked_at = ?, revoke_reason = ?
			WHERE user_id = ? AND id <> ? AND revoked_at IS NULL RETURNING id, client_id, status_index`, stored(later(t.now, event.At.UTC().Truncate(time.Microsecond))), reason, userID, keep)
		events, err := collect(rows, err, func(r row) (audit.Event, error) {
			var id, clientID string
			one := session.Ended{At: later(t.now, event.At.UTC().Truncate(time.Microsecond))}
			err := r.Scan(&id, &clientID, &one.StatusIndex)
			ended = append(ended, one)
			return event.OfSession(id, clientID), err
		})
		if err != nil {
			return err
		}
		return t.appendEvents(ctx, events...)
	})
	if err != nil {
		return nil, fmt.Errorf("revoke other sessions: %w", err)
	}
	return ended, nil
}

// RevokeAll implements [session.Store].
func (s *Store) RevokeAll(ctx context.Context, userID, reason string, event audit.Event) error {
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		if err := t.changeOne(ctx, session.ErrNotFound, `UPDATE users SET sessions_valid_after = sessions_valid_after
			WHERE id = ?`, userID); err != nil {
			return err
		}
		return t.endSessions(ctx, userID, reason, event)
	})
	if err != nil {
		return fmt.Errorf("revoke all sessions: %w", err)
	}
	return nil
}

// SaveCheckpoints implements [session.Store].
func (s *Store) SaveCheckpoints(ctx context.Context, batch []session.Checkpoint, interval time.Duration) error {
	if len(batch) == 0 {
		return ctx.Err()
	}
	highest := make(map[string]uint32, len(batch)) // a session that is named twice is written once
	for _, c := range batch {
		highest[c.SessionID] = max(highest[c.SessionID], c.Generation)
	}
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		save, err := t.PrepareContext(ctx, `UPDATE sessions SET checkpoint = max(checkpoint, ?),
			last_seen_at = ? WHERE id = ? AND (last_seen_at <= ? OR last_seen_at > ?)`)
		if err != nil {
			return err
		}
		defer save.Close() // goes with the transaction
		for id, generation := range highest {
			if _, err := save.ExecContext(ctx, generation, stored(t.now), id, stored(t.now.Add(-interval)), stored(t.now.Add(session.SeenAhead))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save checkpoints: %w", err)
	}
	return nil
}
