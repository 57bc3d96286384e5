package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/text"
)

const sessionColumns = `s.id, s.family, coalesce(s.user_id::text, ''), s.client_id, s.created_at, s.absolute_expiry, s.revoked_at,
	coalesce(s.revoke_reason, ''), s.checkpoint, s.last_seen_at, s.address, s.user_agent, s.status_index,
	s.scope, s.resources, s.auth_time, coalesce(s.acr, ''), s.amr, s.jkt`

func scanSession(row pgx.CollectableRow) (session.Session, error) { return scanSessionAnd(row) }

// scanSessionAnd reads sessionColumns and whatever columns follow them.
func scanSessionAnd(row pgx.CollectableRow, more ...any) (session.Session, error) {
	var x session.Session
	var family []byte
	var revoked, authenticated *time.Time
	columns := []any{
		&x.ID, &family, &x.UserID, &x.ClientID, &x.CreatedAt, &x.AbsoluteExpiry, &revoked,
		&x.RevokeReason, &x.Checkpoint, &x.LastSeenAt, &x.Address, &x.UserAgent, &x.StatusIndex,
		&x.Scope, &x.Resources, &authenticated, &x.ACR, &x.AMR, &x.JKT,
	}
	if err := row.Scan(append(columns, more...)...); err != nil {
		return session.Session{}, err
	}
	copy(x.Family[:], family)
	x.CreatedAt, x.AbsoluteExpiry, x.LastSeenAt = x.CreatedAt.UTC(), x.AbsoluteExpiry.UTC(), x.LastSeenAt.UTC()
	x.RevokedAt, x.AuthTime = when(revoked), when(authenticated)
	x.AuthTime = x.Authenticated()
	if len(x.Resources) == 0 {
		x.Resources = nil
	}
	return x, nil
}

// StartSession implements [session.Store]. The client's row is locked like the
// user's; a client disabled meanwhile refuses the session like a user who changed.
func (s *Store) StartSession(ctx context.Context, x session.Session, terms session.Terms, event audit.Event) (session.Session, error) {
	x.RevokedAt, x.RevokeReason = time.Time{}, ""
	x.Checkpoint = max(x.Checkpoint, 1)
	x.Address, x.UserAgent = audit.Address(x.Address), audit.UserAgent(x.UserAgent)
	if !isID(x.UserID) || !text.Valid(x.ClientID) {
		return session.Session{}, fmt.Errorf("start session: %w", session.ErrUserChanged)
	}
	err := s.transact(ctx, callTimeout, func(ctx context.Context, tx pgx.Tx) error {
		highest, err := admit(ctx, tx, x, terms.Seen)
		if err != nil {
			return err
		}
		err = s.assign(ctx, tx, terms, highest, func(index int64) (bool, error) { return insertAt(ctx, tx, &x, terms, index) })
		if err != nil {
			return err
		}
		if err := terms.Allowed(x.CreatedAt.UTC()); err != nil {
			return err
		}
		return appendEvents(ctx, tx, event)
	})
	if err != nil {
		return session.Session{}, fmt.Errorf("start session: %w", err)
	}
	x.CreatedAt, x.AbsoluteExpiry = x.CreatedAt.UTC(), x.AbsoluteExpiry.UTC()
	x.LastSeenAt, x.AuthTime = x.CreatedAt, x.Authenticated()
	return x, nil
}

// admit locks the user and the client, and gives the highest status index in use.
func admit(ctx context.Context, tx pgx.Tx, x session.Session, seen time.Time) (highest int64, err error) {
	var valid time.Time
	err = tx.QueryRow(ctx, `SELECT u.sessions_valid_after, (SELECT coalesce(max(status_index), 0) FROM sessions WHERE status_index IS NOT NULL)
		FROM users u, clients c
		WHERE u.id = $1 AND u.disabled_at IS NULL AND u.deleted_at IS NULL
		AND c.id = $2 AND c.disabled_at IS NULL AND c.deleted_at IS NULL FOR SHARE OF u, c`, x.UserID, x.ClientID).Scan(&valid, &highest)
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && !valid.Equal(seen)) {
		return 0, session.ErrUserChanged
	}
	return highest, err
}

func scanStanding(row pgx.CollectableRow) (session.Standing, error) {
	var standing session.Standing
	var valid *time.Time
	var writable bool
	x, err := scanSessionAnd(row, &standing.Username, &standing.UserActive, &standing.ClientEnabled,
		&valid, &standing.Now, &writable)
	if err == nil && !writable {
		err = ErrReadOnly
	}
	standing.Session = x
	standing.SessionsValidAfter, standing.Now = when(valid), standing.Now.UTC()
	return standing, err
}

// A session without a user is ended by none: no row of users, no time of an end.
const standings = `SELECT ` + sessionColumns + `, coalesce(u.username, ''),
	u.disabled_at IS NULL AND u.deleted_at IS NULL, c.disabled_at IS NULL AND c.deleted_at IS NULL, u.sessions_valid_after, clock_timestamp(), ` + writable + `
	FROM sessions s LEFT JOIN users u ON u.id = s.user_id JOIN clients c ON c.id = s.client_id`

// StandingByFamily implements [session.Store].
func (s *Store) StandingByFamily(ctx context.Context, family session.FamilyHash) (session.Standing, error) {
	standing, err := one(ctx, s, session.ErrNotFound, scanStanding, standings+` WHERE s.family = $1`, family[:])
	if err != nil {
		return session.Standing{}, fmt.Errorf("read session: %w", err)
	}
	return standing, nil
}

// StandingByID implements [session.Store].
func (s *Store) StandingByID(ctx context.Context, id string) (session.Standing, error) {
	if !isID(id) {
		return session.Standing{}, fmt.Errorf("read session: %w", session.ErrNotFound)
	}
	standing, err := one(ctx, s, session.ErrNotFound, scanStanding, standings+` WHERE s.id = $1`, id)
	if err != nil {
		return session.Standing{}, fmt.Errorf("read session: %w", err)
	}
	return standing, nil
}

// SessionByID implements [session.Store].
func (s *Store) SessionByID(ctx context.Context, id string) (session.Session, error) {
	if !isID(id) {
		return session.Session{}, fmt.Errorf("read session: %w", session.ErrNotFound)
	}
	x, err := one(ctx, s, session.ErrNotFound, scanSession, `SELECT `+sessionColumns+` FROM sessions s WHERE s.id = $1`, id)
	if err != nil {
		return session.Session{}, fmt.Errorf("read session: %w", err)
	}
	return x, nil
}

// Sessions implements [session.Store].
func (s *Store) Sessions(ctx context.Context, query session.Query) ([]session.Session, error) {
	if (query.UserID != "" && !isID(query.UserID)) || (query.After != "" && !isID(query.After)) {
		return nil, nil
	}
	var where conditions
	from := "sessions s"
	if query.UserID != "" {
		owner := where.arg(query.UserID)
		from = `(SELECT * FROM sessions WHERE user_id = ` + owner + ` AND revoked_at IS NULL`
		if query.Live == session.Any { // ended ones are in an index of their own
			from += ` UNION ALL SELECT * FROM sessions WHERE user_id = ` + owner + ` AND revoked_at IS NOT NULL`
		}
		from += `) s`
	}
	if query.Live == session.LiveOnly {
		where.add(`s.revoked_at IS NULL AND s.absolute_expiry > clock_timestamp()`)
		where.add(`s.last_seen_at > clock_timestamp() - interval '1 microsecond' *
			coalesce((SELECT c.idle_ttl FROM clients c WHERE c.id = s.client_id) + ` + where.arg(session.IdleLag.Microseconds()) + `::bigint, ` +
			where.arg(query.IdleFor().Microseconds()) + `::bigint)`)
	}
	if query.After != "" {
		where.add("s.id < " + where.arg(query.After))
	}
	sql := `SELECT ` + sessionColumns + ` FROM ` + from + where.String() + ` ORDER BY s.id DESC` + where.limit(query.Limit)
	sessions, err := all(ctx, s, scanSession, sql, where.args...)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return sessions, nil
}

// UnendedSessions implements [session.Store].
func (s *Store) UnendedSessions(ctx context.Context, userID, clientID string, limit int) ([]session.Session, error) {
	if !isID(userID) {
		return nil, nil
	}
	sessions, err := all(ctx, s, scanSession, `SELECT `+sessionColumns+` FROM sessions s
		WHERE s.user_id = $1 AND s.client_id = $2 AND s.revoked_at IS NULL LIMIT $3`, userID, clientID, limit)
	if err != nil {
		return nil, fmt.Errorf("list unended sessions: %w", err)
	}
	return sessions, nil
}

// RevokeSession implements [session.Store].
func (s *Store) RevokeSession(ctx context.Context, id, reason string, event audit.Event) (session.Ended, error) {
	if !isID(id) {
		return session.Ended{}, fmt.Errorf("revoke session: %w", session.ErrNotFound)
	}
	var ended session.Ended
	err := s.transact(ctx, callTimeout, func(ctx context.Context, tx pgx.Tx) (err error) {
		ended, err = revoke(ctx, tx, id, reason, event)
		return err
	})
	if err != nil {
		return session.Ended{}, fmt.Errorf("revoke session: %w", err)
	}
	return ended, nil
}

// revoke ends a session, if it was not ended before. ErrNotFound.
func revoke(ctx context.Context, tx pgx.Tx, id, reason string, event audit.Event) (session.Ended, error) {
	rows, _ := tx.Query(ctx, `UPDATE sessions SET revoked_at = greatest(clock_timestamp(), $3::timestamptz), revoke_reason = $2
		WHERE id = $1 AND revoked_at IS NULL RETURNING revoked_at, status_index`, id, reason, stored(event.At)) // its error comes with the rows
	ended, err := pgx.CollectExactlyOneRow(rows, scanEnded)
	if err == nil {
		return ended, appendEvents(ctx, tx, event)
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return session.Ended{}, err
	}
	rows, _ = tx.Query(ctx, `SELECT revoked_at, status_index FROM sessions WHERE id = $1`, id)
	ended, err = pgx.CollectExactlyOneRow(rows, scanEnded)
	if errors.Is(err, pgx.ErrNoRows) {
		return session.Ended{}, session.ErrNotFound
	}
	ended.Before = true
	return ended, err
}

func scanEnded(row pgx.CollectableRow) (session.Ended, error) {
	var ended session.Ended
	err := row.Scan(&ended.At, &ended.StatusIndex)
	ended.At = ended.At.UTC()
	return ended, err
}

// RevokeOther implements [session.Store]. The user's row is locked first, as by
// RevokeOthers, so that of two who end each other the second sees what the first did.
func (s *Store) RevokeOther(ctx context.Context, id, by, reason string, event audit.Event) (session.Ended, error) {
	if !isID(id) || !isID(by) {
		return session.Ended{}, fmt.Errorf("revoke other session: %w", session.ErrNotFound)
	}
	var ended session.Ended
	err := s.transact(ctx, callTimeout, func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT FROM users u JOIN sessions s ON s.user_id = u.id JOIN sessions b ON b.user_id = u.id
			WHERE s.id = $1 AND b.id = $2 AND b.id <> s.id FOR NO KEY UPDATE OF u`, id, by).Scan()
		var allowed bool
		if err == nil {
			err = tx.QueryRow(ctx, `SELECT revoked_at IS NULL FROM sessions WHERE id = $1`, by).Scan(&allowed)
		}
		switch {
		case errors.Is(err, pgx.ErrNoRows), err == nil && !allowed:
			return session.ErrNotFound
		case err != nil:
			return err
		}
		ended, err = revoke(ctx, tx, id, reason, event)
		return err
	})
	if err != nil {
		return session.Ended{}, fmt.Errorf("revoke other session: %w", err)
	}
	return ended, nil
}

// RevokeOthers implements [session.Store]. The user's row is locked first, as by
// everything that ends many sessions, so that sessions being started wait.
func (s *Store) RevokeOthers(ctx context.Context, userID, keep, reason string, event audit.Event) ([]session.Ended, error) {
	if !isID(userID) || !isID(keep) {
		return nil, fmt.Errorf("revoke other sessions: %w", session.ErrNotFound)
	}
	var ended []session.Ended
	err := s.transact(ctx, callTimeout, func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE`, userID).Scan()
		if err == nil {
			err = tx.QueryRow(ctx, `SELECT FROM sessions WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL`, keep, userID).Scan()
		}
		if errors.Is(err, pgx.ErrNoRows) {
			return session.ErrNotFound
		}
		if err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, `WITH others AS (
				SELECT family FROM sessions WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL
				ORDER BY id FOR NO KEY UPDATE
			) UPDATE sessions s SET revoked_at = greatest(clock_timestamp(), $4::timestamptz), revoke_reason = $3
			FROM others WHERE s.family = others.family RETURNING s.id, s.client_id, s.revoked_at, s.status_index`, userID, keep, reason, stored(event.At)) // its error comes with the rows
		events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (audit.Event, error) {
			var id, clientID string
			var one session.Ended
			err := row.Scan(&id, &clientID, &one.At, &one.StatusIndex)
			one.At = one.At.UTC()
			ended = append(ended, one)
			return event.OfSession(id, clientID), err
		})
		if err != nil {
			return err
		}
		return appendEvents(ctx, tx, events...)
	})
	if err != nil {
		return nil, fmt.Errorf("revoke other sessions: %w", err)
	}
	return ended, nil
}

// RevokeAll implements [session.Store].
func (s *Store) RevokeAll(ctx context.Context, userID, reason string, event audit.Event) error {
	if !isID(userID) {
		return fmt.Errorf("revoke all sessions: %w", session.ErrNotFound)
	}
	err := s.transact(ctx, callTimeout, func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE`, userID).Scan()
		if errors.Is(err, pgx.ErrNoRows) {
			return session.ErrNotFound
		}
		if err != nil {
			return err
		}
		return endSessions(ctx, tx, userID, reason, event)
	})
	if err != nil {
		return fmt.Errorf("revoke all sessions: %w", err)
	}
	return nil
}

// SaveCheckpoints implements [session.Store]. Rows are locked in order of id, as
// everywhere, so that two batches never wait for each other; a row that another
// batch has just written is no longer due when its lock is had.
func (s *Store) SaveCheckpoints(ctx context.Context, batch []session.Checkpoint, interval time.Duration) error {
	highest := map[string]int64{}
	for _, c := range batch {
		if isID(c.SessionID) {
			highest[c.SessionID] = max(highest[c.SessionID], int64(c.Generation))
		}
	}
	ids, generations := make([]string, 0, len(highest)), make([]int64, 0, len(highest))
	for id, generation := range highest {
		ids, generations = append(ids, id), append(generations, generation)
	}
	err := s.again(ctx, callTimeout, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `WITH batch AS (
				SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS b (id, generation)
			), locked AS (
				SELECT s.family, b.generation FROM sessions s JOIN batch b ON b.id = s.id
				WHERE s.last_seen_at <= clock_timestamp() - $3::bigint * interval '1 microsecond'
				OR s.last_seen_at > clock_timestamp() + $4::bigint * interval '1 microsecond'
				ORDER BY s.id FOR NO KEY UPDATE OF s
			) UPDATE sessions s SET checkpoint = greatest(s.checkpoint, locked.generation),
				last_seen_at = clock_timestamp()
			FROM locked WHERE s.family = locked.family`, ids, generations, interval.Microseconds(), session.SeenAhead.Microseconds())
		return err
	})
	if err != nil {
		return fmt.Errorf("save checkpoints: %w", err)
	}
	return nil
}
