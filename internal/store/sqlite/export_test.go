package sqlite

import (
	"context"
	"fmt"
	"strings"
)

// Flushing tells how far durable and rotation writes are flushed (PRAGMA synchronous).
func (s *Store) Flushing(ctx context.Context) (durable, rotation int, err error) {
	if err := s.durable.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&durable); err != nil {
		return 0, 0, err
	}
	err = s.rotation.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&rotation)
	return durable, rotation, err
}

// HotPlans gives how SQLite runs the statements of a refresh, those that place a
// session in the status lists, and those that run all the time.
func (s *Store) HotPlans(ctx context.Context) ([]string, error) {
	var plans []string
	for _, query := range []string{selectStanding, selectState, updateState, selectHolder, selectHighest, selectRevoked} {
		args := make([]any, strings.Count(query, "?")) // numbered ones may come twice
		if strings.Contains(query, "?5") {
			args = args[:5]
		}
		rows, err := s.reader.QueryContext(ctx, `EXPLAIN QUERY PLAN `+query, args...)
		steps, err := collect(rows, err, func(r row) (string, error) {
			var step string
			return step, r.Scan(new(int), new(int), new(int), &step)
		})
		if err != nil {
			return nil, fmt.Errorf("explain: %w", err)
		}
		plans = append(plans, steps...)
	}
	return plans, nil
}

// CloseRotation closes the handle whose commits are not flushed.
func (s *Store) CloseRotation() error { return s.rotation.Close() }
