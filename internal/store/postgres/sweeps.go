package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// candidate is a row that a sweep looks at.
type candidate struct {
	ID  string
	Old bool
}

// sweep removes by id, in one transaction, those of the rows found that are old. It waits for no row.
func (s *Store) sweep(ctx context.Context, find, remove string, args, more []any) (audit.Swept, error) {
	var swept audit.Swept
	err := s.transact(ctx, callTimeout, func(ctx context.Context, tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, find, args...) // its error comes with the rows
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[candidate])
		if err != nil || len(found) == 0 {
			return err
		}
		swept.Last = found[len(found)-1].ID
		var old []string
		for _, c := range found {
			if c.Old {
				old = append(old, c.ID)
			}
		}
		if len(old) == 0 {
			return nil
		}
		tag, err := tx.Exec(ctx, remove, append([]any{old}, more...)...)
		swept.Removed = int(tag.RowsAffected())
		return err
	})
	if err != nil {
		return audit.Swept{}, err
	}
	return swept, nil
}

// after is the id to go on behind.
func after(s audit.Sweep) string {
	if s.After == "" {
		return "00000000-0000-0000-0000-000000000000"
	}
	return s.After
}

// RemoveEvents implements [audit.Sweeper].
func (s *Store) RemoveEvents(ctx context.Context, sweep audit.Sweep) (audit.Swept, error) {
	swept, err := s.sweep(ctx,
		`SELECT id, at < least(clock_timestamp(), $3::timestamptz) FROM events WHERE id > $1 AND id < $2 ORDER BY id LIMIT $4`,
		`DELETE FROM events WHERE id = ANY ($1::uuid[])`,
		[]any{after(sweep), audit.FirstID(sweep.Before), sweep.Before, pageSize(sweep.Rows)}, nil)
	if err != nil {
		return audit.Swept{}, fmt.Errorf("remove old events: %w", err)
	}
	return swept, nil
}

// RemoveSessions implements [session.Sweeper]. A session that was seen meanwhile stays.
func (s *Store) RemoveSessions(ctx context.Context, sweep audit.Sweep, idle time.Duration) (audit.Swept, error) {
	terms := session.Terms{Idle: idle, Reuse: sweep.Before}
	swept, err := s.sweep(ctx,
		`SELECT h.id, coalesce(`+over+`, false) FROM sessions h JOIN clients c ON c.id = h.client_id CROSS JOIN `+overClock+`
			WHERE h.id > $1 AND h.id < $6 ORDER BY h.id LIMIT $7`,
		`DELETE FROM sessions WHERE family = ANY (ARRAY(SELECT family FROM sessions WHERE id = ANY ($1::uuid[])
			AND (revoked_at IS NOT NULL OR absolute_expiry < $2 OR last_seen_at < $2) FOR UPDATE SKIP LOCKED))`,
		overArgs(after(sweep), terms, audit.FirstID(sweep.Before), pageSize(sweep.Rows)), []any{sweep.Before})
	if err != nil {
		return audit.Swept{}, fmt.Errorf("remove old sessions: %w", err)
	}
	return swept, nil
}
