package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// assignTries bounds how often a session draws new status indexes because others have just
// taken every free one that it drew.
const assignTries = 8

// assign puts the session at the first status index it draws that is free, by means of
// put, which reports whether it was in time: an index that two sessions want at once is
// the first one's to commit.
func (s *Store) assign(ctx context.Context, tx pgx.Tx, terms session.Terms, highest int64, put func(index int64) (bool, error)) error {
	for range assignTries {
		free, err := freeIndexes(ctx, tx, terms, s.draw(highest))
		if err != nil {
			return err
		}
		for _, f := range free {
			released, err := release(ctx, tx, terms, f)
			if err != nil {
				return err
			}
			if !released {
				continue
			}
			if assigned, err := put(f.index); assigned || err != nil {
				return err
			}
		}
	}
	return session.ErrContended
}

// over says that no token lives of a session h of client c by a clock that is the earlier of the
// database's and what the terms allow; overArgs are the arguments of both.
const overClock = `(SELECT least(clock_timestamp(), $5::timestamptz) AS now) clock`
const over = `(h.revoked_at < clock.now - $2::bigint * interval '1 microsecond'
	OR h.revoked_at IS NULL AND (h.absolute_expiry < clock.now - $2::bigint * interval '1 microsecond'
		OR h.last_seen_at < clock.now - coalesce(c.idle_ttl + $3::bigint, $4::bigint) * interval '1 microsecond'))`

func overArgs(first any, terms session.Terms, more ...any) []any {
	return append([]any{
		first, session.StatusReuseAfter.Microseconds(), session.StatusReuseAfterIdle.Microseconds(), terms.IdleFor().Microseconds(), terms.Reuse,
	}, more...)
}

// freeIndex is a status index and the session that it must be taken from, if any.
type freeIndex struct {
	index  int64
	holder []byte // the family; nil: nobody has it
}

// freeIndexes keeps those that no session holds whose tokens may live, in their order.
func freeIndexes(ctx context.Context, tx pgx.Tx, terms session.Terms, drawn []int64) ([]freeIndex, error) {
	rows, _ := tx.Query(ctx, `SELECT d.index, h.family
		FROM unnest($1::bigint[]) WITH ORDINALITY AS d (index, turn)
		LEFT JOIN sessions h ON h.status_index = d.index LEFT JOIN clients c ON c.id = h.client_id
		CROSS JOIN `+overClock+`
		WHERE h.family IS NULL OR `+over+`
		ORDER BY d.turn`, overArgs(drawn, terms)...) // its error comes with the rows
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (freeIndex, error) {
		var f freeIndex
		return f, row.Scan(&f.index, &f.holder)
	})
}

// release takes the index from the session that holds it, and reports whether it could:
// another session may be faster, or the holder be revoked now, which sets its bit. It does not
// wait for a holder that another transaction has locked.
func release(ctx context.Context, tx pgx.Tx, terms session.Terms, f freeIndex) (bool, error) {
	if f.holder == nil {
		return true, nil
	}
	tag, err := tx.Exec(ctx, `UPDATE sessions SET status_index = NULL WHERE family IN (
		SELECT h.family FROM sessions h JOIN clients c ON c.id = h.client_id
		CROSS JOIN `+overClock+`
		WHERE h.family = $6 AND h.status_index = $1::bigint AND `+over+`
		FOR NO KEY UPDATE OF h SKIP LOCKED)`, overArgs(f.index, terms, f.holder)...)
	return tag.RowsAffected() == 1, err
}

// insertAt inserts the session at a status index, and reports whether it was in time.
func insertAt(ctx context.Context, tx pgx.Tx, x *session.Session, terms session.Terms, index int64) (bool, error) {
	// as terms.StartAt says of the database's clock
	err := tx.QueryRow(ctx, `INSERT INTO sessions
		(family, id, user_id, client_id, created_at, absolute_expiry, checkpoint, last_seen_at, address, user_agent, status_index,
			scope, resources, auth_time, acr, amr, jkt)
		SELECT $1, $2, $3, $4, greatest(clock.now, $9::timestamptz), clock.now + $5::bigint * interval '1 microsecond',
			$6, greatest(clock.now, $9::timestamptz), $7, $8, $10,
			$11, coalesce($12::text[], '{}'), $13, $14, $15, $16
		FROM (SELECT CASE WHEN abs(extract(epoch FROM database.now - $17::timestamptz)) > $18::float8 THEN $17::timestamptz
			ELSE database.now END AS now FROM (SELECT clock_timestamp() AS now) database) clock
		ON CONFLICT (status_index) WHERE status_index IS NOT NULL DO NOTHING
		RETURNING created_at, absolute_expiry`,
		x.Family[:], x.ID, x.UserID, x.ClientID, terms.Lifetime.Microseconds(), x.Checkpoint, x.Address, x.UserAgent, terms.Seen, index,
		x.Scope, x.Resources, stored(x.AuthTime), orNull(x.ACR), x.AMR, x.JKT, stored(terms.Start), clock.Tolerance.Seconds()).
		Scan(&x.CreatedAt, &x.AbsoluteExpiry)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	x.StatusIndex = &index
	return err == nil, err
}

// AssignStatusIndex implements [session.Store]. It does not wait for a session that another
// transaction has locked.
func (s *Store) AssignStatusIndex(ctx context.Context, id string, terms session.Terms) (int64, error) {
	if !isID(id) {
		return 0, fmt.Errorf("assign status index: %w", session.ErrNotFound)
	}
	var assigned int64
	err := s.transact(ctx, callTimeout, func(ctx context.Context, tx pgx.Tx) error {
		var index *int64
		var highest int64
		err := tx.QueryRow(ctx, `SELECT s.status_index, (SELECT coalesce(max(status_index), 0) FROM sessions WHERE status_index IS NOT NULL)
			FROM sessions s WHERE s.id = $1 AND s.revoked_at IS NULL FOR NO KEY UPDATE OF s SKIP LOCKED`, id).Scan(&index, &highest)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return session.ErrNotFound
		case err != nil:
			return err
		case index != nil:
			assigned = *index
			return nil
		}
		return s.assign(ctx, tx, terms, highest, func(index int64) (bool, error) {
			assigned = index
			return moveTo(ctx, tx, id, index)
		})
	})
	if err != nil {
		return 0, fmt.Errorf("assign status index: %w", err)
	}
	return assigned, nil
}

// moveTo gives the session a status index, and reports whether it was in time.
func moveTo(ctx context.Context, tx pgx.Tx, id string, index int64) (bool, error) {
	attempt, err := tx.Begin(ctx) // a savepoint: there is no ON CONFLICT for an update
	if err != nil {
		return false, err
	}
	_, err = attempt.Exec(ctx, `UPDATE sessions SET status_index = $2 WHERE id = $1`, id, index)
	if err == nil {
		return true, attempt.Commit(ctx)
	}
	if failed, ok := errors.AsType[*pgconn.PgError](err); ok && failed.ConstraintName == "sessions_status_index_unique" {
		return false, attempt.Rollback(ctx)
	}
	return false, err
}

// endOfTime is later than whatever was revoked.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// keysState is another text after each change that keyring makes, other than to the sealed halves.
const keysState = `(SELECT concat_ws('.', count(*), count(revoked_at), extract(epoch FROM max(published_at)),
	extract(epoch FROM max(activates_at)), extract(epoch FROM max(revoked_at))) FROM signing_keys)`

// Revoked implements [revocation.Store].
func (s *Store) Revoked(ctx context.Context, page revocation.Page) (revocation.Reading, error) {
	before := page.Before
	if before.At.IsZero() {
		before.At = endOfTime
	}
	reading, err := oneWithin(ctx, s, callTimeout, scanReading, `SELECT clock.now, `+writable+`,
		(SELECT coalesce(max(status_index), 0) FROM sessions WHERE status_index IS NOT NULL), `+keysState+`, r.indexes, r.times
		FROM (SELECT clock_timestamp() AS now) clock LEFT JOIN LATERAL (
			SELECT array_agg(p.status_index) AS indexes, array_agg(p.revoked_at) AS times FROM (
				SELECT status_index, revoked_at FROM sessions
				WHERE revoked_at > clock.now - $1::bigint * interval '1 microsecond' AND status_index IS NOT NULL
				AND (revoked_at, status_index) < ($2::timestamptz, $3::bigint)
				ORDER BY revoked_at DESC, status_index DESC LIMIT $4) p
		) r ON true`, page.Within.Microseconds(), before.At, before.Index, page.Rows)
	s.note(err)
	if err != nil {
		return revocation.Reading{}, fmt.Errorf("read revoked sessions: %w", err)
	}
	return reading, nil
}

func scanReading(row pgx.CollectableRow) (revocation.Reading, error) {
	var reading revocation.Reading
	var indexes []int64
	var times []time.Time
	var writable bool
	if err := row.Scan(&reading.Now, &writable, &reading.Highest, &reading.Keys, &indexes, &times); err != nil {
		return revocation.Reading{}, err
	}
	if !writable {
		return revocation.Reading{}, ErrReadOnly
	}
	reading.Now = reading.Now.UTC()
	reading.Revoked = make([]revocation.Revoked, len(indexes))
	for i, index := range indexes {
		reading.Revoked[i] = revocation.Revoked{Index: index, At: times[i].UTC()}
	}
	return reading, nil
}
