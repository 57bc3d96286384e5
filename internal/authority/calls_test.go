package authority_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
)

func wantError(tb testing.TB, got, want error) {
	tb.Helper()
	if !errors.Is(got, want) {
		tb.Fatalf("error %v, want %v", got, want)
	}
}

// calls counts what reaches the stores of sessions.
type calls struct {
	session.Store
	states         session.States
	reads, changes int
}

func (c *calls) StandingByFamily(ctx context.Context, family session.FamilyHash) (session.Standing, error) {
	c.reads++
	return c.Store.StandingByFamily(ctx, family)
}

func (c *calls) StandingByID(ctx context.Context, id string) (session.Standing, error) {
	c.reads++
	return c.Store.StandingByID(ctx, id)
}

func (c *calls) SessionByID(ctx context.Context, id string) (session.Session, error) {
	c.reads++
	return c.Store.SessionByID(ctx, id)
}

func (c *calls) Sessions(ctx context.Context, query session.Query) ([]session.Session, error) {
	c.reads++
	return c.Store.Sessions(ctx, query)
}

func (c *calls) StartSession(ctx context.Context, s session.Session, terms session.Terms, event audit.Event) (session.Session, error) {
	c.changes++
	return c.Store.StartSession(ctx, s, terms, event)
}

func (c *calls) PlaceSession(ctx context.Context, id string, terms session.Terms) (int64, error) {
	c.changes++
	return c.Store.PlaceSession(ctx, id, terms)
}

func (c *calls) RevokeSession(ctx context.Context, id, reason string, event audit.Event) error {
	c.changes++
	return c.Store.RevokeSession(ctx, id, reason, event)
}

func (c *calls) RevokeOther(ctx context.Context, id, by, reason string, event audit.Event) error {
	c.changes++
	return c.Store.RevokeOther(ctx, id, by, reason, event)
}

func (c *calls) RevokeOthers(ctx context.Context, userID, keep, reason string, event audit.Event) (int, error) {
	c.changes++
	return c.Store.RevokeOthers(ctx, userID, keep, reason, event)
}

func (c *calls) RevokeAll(ctx context.Context, userID, reason string, event audit.Event) error {
	c.changes++
	return c.Store.RevokeAll(ctx, userID, reason, event)
}

func (c *calls) SaveCheckpoints(ctx context.Context, batch []session.Checkpoint, interval time.Duration) error {
	c.changes++
	return c.Store.SaveCheckpoints(ctx, batch, interval)
}

// UpdateState implements [session.States]: a look is a read, too.
func (c *calls) UpdateState(ctx context.Context, id string, keep time.Duration, decide session.Decider) error {
	c.reads++
	return c.states.UpdateState(ctx, id, keep, func(stored session.State, now time.Time) (session.State, bool) {
		next, write := decide(stored, now)
		if write {
			c.changes++
		}
		return next, write
	})
}
