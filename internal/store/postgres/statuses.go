package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// placeTries bounds how often a session draws its status index anew because others
// took, in that moment, every free one that it had drawn.
const placeTries = 8

// place inserts the session at the first status index it draws that is free. An index
// that two sessions want at once is the first one's to commit.
func place(ctx context.Context, tx pgx.Tx, x *session.Session, terms session.Terms, highest int64) error {
	for range placeTries {
		free, err := freeIndexes(ctx, tx, terms, terms.StatusIndexes(highest))
		if err != nil {
			return err
		}
		for _, f := range free {
			placed, err := insertAt(ctx, tx, x, terms, f)
			if placed || err != nil {
				return err
			}
		}
	}
	return session.ErrContended
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
		CROSS JOIN (SELECT clock_timestamp() AS now) clock
		WHERE h.family IS NULL
		OR h.revoked_at < clock.now - $2::bigint * interval '1 microsecond'
		OR h.revoked_at IS NULL AND (h.absolute_expiry < clock.now - $2::bigint * interval '1 microsecond'
			OR h.last_seen_at < clock.now - coalesce(c.idle_ttl + $3::bigint, $4::bigint) * interval '1 microsecond')
		ORDER BY d.turn`, drawn, session.StatusReuseAfter.Microseconds(),
		session.StatusReuseAfterIdle.Microseconds(), terms.IdleFor().Microseconds()) // its error comes with the rows
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (freeIndex, error) {
		var f freeIndex
		return f, row.Scan(&f.index, &f.holder)
	})
}

// insertAt inserts the session at a status index, and tells whether it was in time.
func insertAt(ctx context.Context, tx pgx.Tx, x *session.Session, terms session.Terms, at freeIndex) (bool, error) {
	if at.holder != nil { // another session may be faster, or the holder be revoked now, which sets its bit
		tag, err := tx.Exec(ctx, `UPDATE sessions SET status_index = NULL WHERE family = $1 AND status_index = $2
			AND (revoked_at IS NULL OR revoked_at < clock_timestamp() - $3::bigint * interval '1 microsecond')`,
			at.holder, at.index, session.StatusReuseAfter.Microseconds())
		if err != nil || tag.RowsAffected() == 0 {
			return false, err
		}
	}
	// never before Seen, should the clock have been set back
	err := tx.QueryRow(ctx, `INSERT INTO sessions
		(family, id, user_id, client_id, created_at, absolute_expiry, checkpoint, last_seen_at, address, user_agent, status_index)
		SELECT $1, $2, $3, $4, clock.now, clock.now + $5::bigint * interval '1 microsecond', $6, clock.now, $7, $8, $10
		FROM (SELECT greatest(clock_timestamp(), $9::timestamptz) AS now) clock
		ON CONFLICT (status_index) WHERE status_index IS NOT NULL DO NOTHING
		RETURNING created_at, absolute_expiry`,
		x.Family[:], x.ID, x.UserID, x.ClientID, terms.Lifetime.Microseconds(), x.Checkpoint, x.Address, x.UserAgent, terms.Seen, at.index).
		Scan(&x.CreatedAt, &x.AbsoluteExpiry)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	x.StatusIndex = &at.index
	return err == nil, err
}

// endOfTime is later than whatever was revoked.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Revoked implements [revocation.Store].
func (s *Store) Revoked(ctx context.Context, page revocation.Page) (revocation.Reading, error) {
	before := page.Before
	if before.At.IsZero() {
		before.At = endOfTime
	}
	reading, err := one(ctx, s, pgx.ErrNoRows, scanReading, `SELECT clock.now,
		(SELECT coalesce(max(status_index), 0) FROM sessions WHERE status_index IS NOT NULL), r.indexes, r.times
		FROM (SELECT clock_timestamp() AS now) clock LEFT JOIN LATERAL (
			SELECT array_agg(p.status_index) AS indexes, array_agg(p.revoked_at) AS times FROM (
				SELECT status_index, revoked_at FROM sessions
				WHERE revoked_at > clock.now - $1::bigint * interval '1 microsecond' AND status_index IS NOT NULL
				AND (revoked_at, status_index) < ($2::timestamptz, $3::bigint)
				ORDER BY revoked_at DESC, status_index DESC LIMIT $4) p
		) r ON true`, page.Within.Microseconds(), before.At, before.Index, page.Rows)
	if err != nil {
		return revocation.Reading{}, fmt.Errorf("read revoked sessions: %w", err)
	}
	return reading, nil
}

func scanReading(row pgx.CollectableRow) (revocation.Reading, error) {
	var reading revocation.Reading
	var indexes []int64
	var times []time.Time
	if err := row.Scan(&reading.Now, &reading.Highest, &indexes, &times); err != nil {
		return revocation.Reading{}, err
	}
	reading.Now = reading.Now.UTC()
	reading.Revoked = make([]revocation.Revoked, len(indexes))
	for i, index := range indexes {
		reading.Revoked[i] = revocation.Revoked{Index: index, At: times[i].UTC()}
	}
	return reading, nil
}
