package app

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// What is moved or removed by itself goes in batches so small that nobody waits for one.
const (
	sweepEvery = time.Second
	sweepRows  = 500
	sweepRest  = 10 * time.Minute // when there was nothing left to do
)

// sweep is work on old rows that any replica does, batch by batch.
type sweep struct {
	name  string
	batch func(ctx context.Context) (rows int, more bool, err error)

	done atomic.Int64 // rows since the start
	due  time.Time    // when the next batch is; of the task that sweeps
}

// newSweeps lists the sweeps.
func (a *App) newSweeps() []*sweep {
	return []*sweep{
		{name: "events_moved", batch: a.moveEvents},
		{name: "events_removed", batch: a.remover(a.cfg.AuditRetention, a.store.RemoveEvents)},
		{name: "sessions_removed", batch: a.remover(a.cfg.SessionRetention, func(ctx context.Context, s audit.Sweep) (audit.Swept, error) {
			return a.store.RemoveSessions(ctx, s, a.cfg.RefreshIdleTTL)
		})},
	}
}

// remover makes the batches of a sweep through a table from its oldest row on. Nothing is removed
// while the clocks disagree.
func (a *App) remover(retention time.Duration, remove func(context.Context, audit.Sweep) (audit.Swept, error)) func(context.Context) (int, bool, error) {
	var after string
	return func(ctx context.Context) (rows int, more bool, err error) {
		if !a.clocks.Agree() {
			return 0, false, nil
		}
		swept, err := remove(ctx, audit.Sweep{After: after, Before: a.clocks.Now().Reliable().Add(-retention), Rows: sweepRows})
		if err != nil {
			return 0, false, err
		}
		after = swept.Last
		return swept.Removed, after != "", nil
	}
}

// moveEvents moves events that an earlier version wrote, before it was replaced or beside this one.
func (a *App) moveEvents(ctx context.Context) (rows int, more bool, err error) {
	rows, err = a.store.MoveEvents(ctx, sweepRows)
	return rows, rows > 0, err
}

// once does a batch if one is due. What fails is tried again at the next turn.
func (s *sweep) once(ctx context.Context) error {
	if time.Now().Before(s.due) {
		return nil
	}
	rows, more, err := s.batch(ctx)
	s.done.Add(int64(rows))
	switch {
	case err != nil:
		return err
	case !more:
		s.due = time.Now().Add(sweepRest)
	}
	return nil
}
