package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
)

const (
	// over says that no token lives of a session h of client c.
	over = `CASE WHEN h.revoked_at IS NOT NULL THEN h.revoked_at < ?1
		ELSE h.absolute_expiry < ?1 OR h.last_seen_at < ?2 - coalesce(c.idle_ttl + ?3, ?4) END`
	selectHolder = `SELECT h.family, ` + over + `
		FROM sessions h JOIN clients c ON c.id = h.client_id WHERE h.status_index = ?5`
	selectHighest = `SELECT coalesce(max(status_index), 0) FROM sessions WHERE status_index IS NOT NULL`
	// selectReading has the highest index, and a text that is another after each change that keyring makes, other than to
	// the sealed halves.
	selectReading = `SELECT (` + selectHighest + `), (SELECT concat_ws('.', count(*), count(revoked_at), max(published_at),
		max(activates_at), max(revoked_at)) FROM signing_keys)`
	selectRevoked = `SELECT status_index, revoked_at FROM sessions WHERE revoked_at > ? AND status_index IS NOT NULL
		AND (revoked_at, status_index) < (?, ?) ORDER BY revoked_at DESC, status_index DESC LIMIT ?`
)

// takeIndex returns the first of the drawn status indexes that no session holds whose
// tokens may live. A session that held it before loses it.
func (t tx) takeIndex(ctx context.Context, terms session.Terms, drawn []int64) (*int64, error) {
	now := t.now
	if terms.Reuse.Before(now) {
		now = terms.Reuse
	}
	for _, index := range drawn {
		var holder []byte
		var over bool
		err := t.QueryRowContext(ctx, selectHolder,
			now.Add(-session.StatusReuseAfter).UnixMicro(), now.UnixMicro(),
			session.StatusReuseAfterIdle.Microseconds(), terms.IdleFor().Microseconds(), index).Scan(&holder, &over)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return &index, nil
		case err != nil:
			return nil, err
		case over:
			_, err := t.ExecContext(ctx, `UPDATE sessions SET status_index = NULL WHERE family = ?`, holder)
			return &index, err
		}
	}
	return nil, session.ErrContended
}

// AssignStatusIndex implements [session.Store].
func (s *Store) AssignStatusIndex(ctx context.Context, id string, terms session.Terms) (int64, error) {
	var assigned int64
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		var index *int64
		var highest int64
		err := t.QueryRowContext(ctx, `SELECT status_index, (`+selectHighest+`) FROM sessions WHERE id = ? AND revoked_at IS NULL`, id).Scan(&index, &highest)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return session.ErrNotFound
		case err != nil:
			return err
		case index == nil:
			if index, err = t.takeIndex(ctx, terms, s.draw(highest)); err != nil {
				return err
			}
			_, err = t.ExecContext(ctx, `UPDATE sessions SET status_index = ? WHERE id = ?`, *index, id)
		}
		assigned = *index
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("assign status index: %w", err)
	}
	return assigned, nil
}

// Revoked implements [revocation.Store].
func (s *Store) Revoked(ctx context.Context, page revocation.Page) (revocation.Reading, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	reading, err := s.readRevoked(ctx, page)
	if err != nil {
		return revocation.Reading{}, fmt.Errorf("read revoked sessions: %w", err)
	}
	return reading, nil
}

func (s *Store) readRevoked(ctx context.Context, page revocation.Page) (revocation.Reading, error) {
	reading := revocation.Reading{Now: s.now()} // before the reads: what they miss is later
	err := s.reader.QueryRowContext(ctx, selectReading).Scan(&reading.Highest, &reading.Keys)
	if err != nil {
		return reading, err
	}
	before := int64(math.MaxInt64)
	if at := page.Before.At; !at.IsZero() {
		before = at.UnixMicro()
	}
	rows, err := s.reader.QueryContext(ctx, selectRevoked, stored(reading.Now.Add(-page.Within)), before, page.Before.Index, page.Rows)
	reading.Revoked, err = collect(rows, err, func(r row) (revocation.Revoked, error) {
		var revoked revocation.Revoked
		var at moment
		err := r.Scan(&revoked.Index, &at)
		revoked.At = at.Time
		return revoked, err
	})
	return reading, err
}
