package app

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
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
	return []*sweep{{name: "events_moved", batch: a.moveEvents}}
}

// moveEvents moves events that an earlier version wrote, before it was replaced or beside this one.
func (a *App) moveEvents(ctx context.Context) (rows int, more bool, err error) {
	rows, err = a.store.MoveEvents(ctx, sweepRows)
	return rows, rows > 0, err
}

// sweepOnce does one batch of each sweep that is due. What fails is tried again at the next turn.
func (a *App) sweepOnce(ctx context.Context) error {
	var failed error
	for _, s := range a.sweeps {
		if time.Now().Before(s.due) {
			continue
		}
		rows, more, err := s.batch(ctx)
		s.done.Add(int64(rows))
		switch {
		case err != nil:
			failed = errors.Join(failed, fmt.Errorf("%s: %w", s.name, err))
		case !more:
			s.due = time.Now().Add(sweepRest)
		}
	}
	return failed
}
