package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
)

const (
	selectState = `SELECT state_cur, state_prev, state_rotated_at, state_skips FROM sessions WHERE id = ?`
	updateState = `UPDATE sessions SET state_cur = ?, state_prev = ?, state_rotated_at = ?, state_skips = ? WHERE id = ?`
)

// UpdateState implements [session.States]. The decider holds the write lock, so it is never
// called twice. The state lives as long as the session's row, whatever keep says; a session
// without a row has none that could be kept: session.ErrNotFound.
func (s *Store) UpdateState(ctx context.Context, sessionID string, _ time.Duration, decide session.Decider) error {
	err := s.rotate(ctx, func(ctx context.Context, t tx) error {
		var stateNow session.State
		var rotated moment
		//nolint:sqlclosecheck // ends with the transaction
		err := t.StmtContext(ctx, s.state).QueryRowContext(ctx, sessionID).
			Scan(&stateNow.Cur, &stateNow.Prev, &rotated, &stateNow.Skips)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		stateNow.RotatedAt = rotated.Time
		next, write := decide(stateNow.OrMissing(), clock.Clocks{Database: t.now})
		switch {
		case !write:
			return nil
		case err != nil:
			return session.ErrNotFound
		}
		//nolint:sqlclosecheck // ends with the transaction
		_, err = t.StmtContext(ctx, s.setState).ExecContext(ctx,
			next.Cur, next.Prev, stored(next.RotatedAt), next.Skips, sessionID)
		return err
	})
	if err != nil {
		return fmt.Errorf("update rotation state: %w", err)
	}
	return nil
}
