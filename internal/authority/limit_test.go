package authority_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// TestALoginAboveTheLimitEndsTheLongestIdleSession and no other: not the new one, not that of
// another user, and the one in use only once it is the longest idle.
func TestALoginAboveTheLimitEndsTheLongestIdleSession(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.MaxSessions = 3
	bobs := b.login(t, "bob")
	used := b.login(t, "alice")
	b.clock.pass(time.Minute)
	unused := b.login(t, "alice")
	b.clock.pass(2 * time.Hour)
	used = b.refresh(t, used, session.Rotated)
	if err := b.Checkpoints.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	third := b.login(t, "alice")
	if got := len(b.own(t, used)); got != 3 {
		t.Fatalf("%d sessions at the limit, want 3", got)
	}
	fourth := b.login(t, "alice")

	b.refused(t, unused, session.Revoked)
	ended := b.standing(t, unused)
	if ended.RevokeReason != session.ReasonLimit || !ended.RevokedAt.Equal(b.standing(t, fourth).CreatedAt) {
		t.Errorf("ended at %s by %q, want at the login by %q", ended.RevokedAt, ended.RevokeReason, session.ReasonLimit)
	}
	for _, tokens := range []authority.Tokens{bobs, used, third, fourth} {
		b.refresh(t, tokens, session.Rotated)
	}
	events, err := b.store.Events(t.Context(), audit.Query{SessionID: ended.ID, Kind: audit.SessionRevoked, Limit: 10})
	if err != nil || len(events) != 1 {
		t.Fatalf("events of the end: %v, %v; want one", events, err)
	}
	if e := events[0]; e.Actor != audit.BySystem() || e.Detail["reason"] != session.ReasonLimit || e.Detail["by_login"] != b.standing(t, fourth).ID || e.UserID != ended.UserID {
		t.Errorf("event: %+v", e)
	}
}

// TestALoginSucceedsThoughTheLimitCantBeKept and the next one makes up for it.
func TestALoginSucceedsThoughTheLimitCantBeKept(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.MaxSessions = 1
	sound := b.Sessions
	b.Sessions = unlimited{sound}
	first, second := b.login(t, "alice"), b.login(t, "alice")
	if got := len(b.own(t, second)); got != 2 {
		t.Errorf("%d sessions, want both", got)
	}
	b.Sessions = sound
	third := b.login(t, "alice")
	b.refused(t, first, session.Revoked)
	b.refused(t, second, session.Revoked)
	b.refresh(t, third, session.Rotated)
}

// unlimited can't list what a user has.
type unlimited struct{ session.Store }

func (unlimited) UnendedSessions(context.Context, string, string, int) ([]session.Session, error) {
	return nil, errors.New("no answer")
}
