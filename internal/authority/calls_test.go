package authority_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	clocks "github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/token"
)

func wantError(tb testing.TB, got, want error) {
	tb.Helper()
	if !errors.Is(got, want) {
		tb.Fatalf("error %v, want %v", got, want)
	}
}

// calls counts what reaches the stores, and may stand in its way.
type calls struct {
	session.Store
	states         session.States
	reads, changes int // of sessions

	before func(ctx context.Context, call string) error // comes before each call; its error is the call's
	after  func(call string)                            // comes after each call
	terms  session.Terms                                // of the last session that was started
	keep   time.Duration                                // of the last look at a state

	disguise   string // the client that a session looks like one of
	unassigned bool   // sessions are as an earlier binary left them, without an index
	assigned   int    // how often one was asked for
	assign     error  // what comes of that
}

// reach is called by every call; what it returns is to be called at the end.
func (c *calls) reach(ctx context.Context, call string) (done func(), err error) {
	if c.before != nil {
		if err := c.before(ctx, call); err != nil {
			return nil, err
		}
	}
	return func() {
		if c.after != nil {
			c.after(call)
		}
	}, nil
}

// callsOf lists the calls that something makes.
func (b *bench) callsOf(do func()) []string {
	var made []string
	b.calls.before = func(_ context.Context, call string) error { made = append(made, call); return nil }
	defer func() { b.calls.before = nil }()
	do()
	return made
}

func (c *calls) StandingByFamily(ctx context.Context, family session.FamilyHash) (session.Standing, error) {
	done, err := c.reach(ctx, "StandingByFamily")
	if err != nil {
		return session.Standing{}, err
	}
	defer done()
	c.reads++
	standing, err := c.Store.StandingByFamily(ctx, family)
	if c.unassigned {
		standing.StatusIndex = nil
	}
	return standing, err
}

func (c *calls) StandingByID(ctx context.Context, id string) (session.Standing, error) {
	done, err := c.reach(ctx, "StandingByID")
	if err != nil {
		return session.Standing{}, err
	}
	defer done()
	c.reads++
	standing, err := c.Store.StandingByID(ctx, id)
	if c.disguise != "" {
		standing.ClientID = c.disguise
	}
	return standing, err
}

func (c *calls) SessionByID(ctx context.Context, id string) (session.Session, error) {
	done, err := c.reach(ctx, "SessionByID")
	if err != nil {
		return session.Session{}, err
	}
	defer done()
	c.reads++
	return c.Store.SessionByID(ctx, id)
}

func (c *calls) Sessions(ctx context.Context, query session.Query) ([]session.Session, error) {
	done, err := c.reach(ctx, "Sessions")
	if err != nil {
		return nil, err
	}
	defer done()
	c.reads++
	return c.Store.Sessions(ctx, query)
}

func (c *calls) StartSession(ctx context.Context, s session.Session, terms session.Terms, event audit.Event) (session.Session, error) {
	done, err := c.reach(ctx, "StartSession")
	if err != nil {
		return session.Session{}, err
	}
	defer done()
	c.terms = terms
	c.changes++
	return c.Store.StartSession(ctx, s, terms, event)
}

func (c *calls) AssignStatusIndex(ctx context.Context, id string, terms session.Terms) (int64, error) {
	done, err := c.reach(ctx, "AssignStatusIndex")
	if err != nil {
		return 0, err
	}
	defer done()
	c.assigned++
	if c.assign != nil {
		return 0, c.assign
	}
	return c.Store.AssignStatusIndex(ctx, id, terms)
}

// TestR1ASessionWithoutAnIndexGetsOneAtARefresh, whose success does not hang on it; one that has an index costs no more
// than the one reading.
func TestR1ASessionWithoutAnIndexGetsOneAtARefresh(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	want := *b.standing(t, tokens).StatusIndex % session.StatusListSize
	for _, step := range []struct {
		name       string
		unassigned bool
		assign     error
		assigned   int
		has        bool
	}{
		{"has one", false, nil, 0, true},
		{"has none, and gets none", true, session.ErrContended, 1, false},
		{"has none", true, nil, 1, true},
	} {
		b.calls.unassigned, b.calls.assign, b.calls.assigned, b.calls.reads = step.unassigned, step.assign, 0, 0
		tokens = b.refresh(t, tokens, session.Rotated)
		claims, err := token.Parse(tokens.AccessToken, issuer, b.Keys.Public)
		if err != nil {
			t.Fatal(err)
		}
		if has := claims.Status != nil && claims.Status.Index == want; has != step.has || b.calls.assigned != step.assigned || b.calls.reads != 2 {
			t.Errorf("a session that %s: %+v; asked for an index %d times, %d reads", step.name, claims.Status, b.calls.assigned, b.calls.reads)
		}
	}
}

func (c *calls) RevokeSession(ctx context.Context, id, reason string, event audit.Event) (session.Ended, error) {
	done, err := c.reach(ctx, "RevokeSession")
	if err != nil {
		return session.Ended{}, err
	}
	defer done()
	c.changes++
	ended, err := c.Store.RevokeSession(ctx, id, reason, event)
	if c.unassigned {
		ended.StatusIndex = nil
	}
	return ended, err
}

func (c *calls) RevokeOther(ctx context.Context, id, by, reason string, event audit.Event) (session.Ended, error) {
	done, err := c.reach(ctx, "RevokeOther")
	if err != nil {
		return session.Ended{}, err
	}
	defer done()
	c.changes++
	return c.Store.RevokeOther(ctx, id, by, reason, event)
}

func (c *calls) RevokeOthers(ctx context.Context, userID, keep, reason string, event audit.Event) ([]session.Ended, error) {
	done, err := c.reach(ctx, "RevokeOthers")
	if err != nil {
		return nil, err
	}
	defer done()
	c.changes++
	return c.Store.RevokeOthers(ctx, userID, keep, reason, event)
}

func (c *calls) RevokeAll(ctx context.Context, userID, reason string, event audit.Event) error {
	done, err := c.reach(ctx, "RevokeAll")
	if err != nil {
		return err
	}
	defer done()
	c.changes++
	return c.Store.RevokeAll(ctx, userID, reason, event)
}

func (c *calls) SaveCheckpoints(ctx context.Context, batch []session.Checkpoint, interval time.Duration) error {
	done, err := c.reach(ctx, "SaveCheckpoints")
	if err != nil {
		return err
	}
	defer done()
	c.changes++
	return c.Store.SaveCheckpoints(ctx, batch, interval)
}

// UpdateState implements [session.States]: a look is a read, too.
func (c *calls) UpdateState(ctx context.Context, id string, keep time.Duration, decide session.Decider) error {
	done, err := c.reach(ctx, "UpdateState")
	if err != nil {
		return err
	}
	defer done()
	c.keep = keep
	c.reads++
	return c.states.UpdateState(ctx, id, keep, func(stored session.State, now clocks.Clocks) (session.State, bool) {
		next, write := decide(stored, now)
		if write {
			c.changes++
		}
		return next, write
	})
}
