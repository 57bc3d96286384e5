package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// candidate is a row that a sweep looks at.
type candidate struct {
	id  name
	old bool
}

// sweep removes, in one transaction, those of the rows found that are old.
func (t tx) sweep(ctx context.Context, find, remove string, key func(string) any, args ...any) (audit.Swept, error) {
	rows, err := t.QueryContext(ctx, find, args...)
	found, err := collect(rows, err, func(r row) (candidate, error) {
		var c candidate
		return c, r.Scan(&c.id, &c.old)
	})
	if err != nil || len(found) == 0 {
		return audit.Swept{}, err
	}
	swept := audit.Swept{Last: string(found[len(found)-1].id)}
	for _, c := range found {
		if !c.old {
			continue
		}
		if _, err := t.ExecContext(ctx, remove, key(string(c.id))); err != nil {
			return audit.Swept{}, err
		}
		swept.Removed++
	}
	return swept, nil
}

// earlier is the earlier of two times, as stored.
func earlier(a, b time.Time) int64 { return min(a.UnixMicro(), b.UnixMicro()) }

// RemoveEvents implements [audit.Sweeper].
func (s *Store) RemoveEvents(ctx context.Context, sweep audit.Sweep) (swept audit.Swept, err error) {
	err = s.write(ctx, func(ctx context.Context, t tx) (err error) {
		after := any([]byte{})
		if sweep.After != "" {
			after = idOrText(sweep.After)
		}
		swept, err = t.sweep(ctx, `SELECT id, at < ?1 FROM events WHERE id > ?2 AND id < ?3 ORDER BY id LIMIT ?4`, `DELETE FROM events WHERE id = ?`, idOrText,
			earlier(t.now, sweep.Before), after, idOrText(audit.FirstID(sweep.Before)), pageSize(sweep.Rows))
		return err
	})
	if err != nil {
		return audit.Swept{}, fmt.Errorf("remove old events: %w", err)
	}
	return swept, nil
}

// RemoveSessions implements [session.Sweeper].
func (s *Store) RemoveSessions(ctx context.Context, sweep audit.Sweep, idle time.Duration) (swept audit.Swept, err error) {
	err = s.write(ctx, func(ctx context.Context, t tx) (err error) {
		now := min(t.now.UnixMicro(), sweep.Before.UnixMicro())
		swept, err = t.sweep(ctx, `SELECT h.id, `+over+` FROM sessions h JOIN clients c ON c.id = h.client_id
			WHERE h.id > ?5 AND h.id < ?6 ORDER BY h.id LIMIT ?7`, `DELETE FROM sessions WHERE id = ?`, orNull,
			now-session.StatusReuseAfter.Microseconds(), now, session.StatusReuseAfterIdle.Microseconds(),
			session.Terms{Idle: idle}.IdleFor().Microseconds(), sweep.After, audit.FirstID(sweep.Before), pageSize(sweep.Rows))
		return err
	})
	if err != nil {
		return audit.Swept{}, fmt.Errorf("remove old sessions: %w", err)
	}
	return swept, nil
}
