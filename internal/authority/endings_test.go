package authority_test

import (
	"errors"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// TestWhateverEndsSessionsEndsThem: refused from then on, and the row says why.
func TestWhateverEndsSessionsEndsThem(t *testing.T) {
	t.Parallel()
	for reason, c := range map[string]struct {
		end   func(t *testing.T, b *bench, userID string) error
		spare bool // the sessions of others go on
	}{
		session.ReasonUser: {func(t *testing.T, b *bench, id string) error {
			return b.store.DisableUser(t.Context(), id, audit.New(audit.UserDisabled, audit.ByOperator("root")))
		}, true},
		session.ReasonUser + " deleted": {func(t *testing.T, b *bench, id string) error {
			return b.store.DeleteUser(t.Context(), id, audit.New(audit.UserDeleted, audit.ByOperator("root")))
		}, true},
		session.ReasonPassword: {func(t *testing.T, b *bench, id string) error {
			return b.store.SetPassword(t.Context(), id, "another", audit.New(audit.UserPasswordChanged, audit.ByOperator("root")))
		}, true},
		session.ReasonOperator: {func(t *testing.T, b *bench, id string) error {
			return b.store.RevokeAll(t.Context(), id, session.ReasonOperator, audit.New(audit.UserSessionsEnded, audit.ByOperator("root")))
		}, true},
		session.ReasonClient: {func(t *testing.T, b *bench, _ string) error {
			return errors.Join(
				b.store.DisableClient(t.Context(), client.FirstParty, audit.New(audit.ClientDisabled, audit.ByOperator("root"))),
				b.store.EnableClient(t.Context(), client.FirstParty, audit.New(audit.ClientEnabled, audit.ByOperator("root"))))
		}, false},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			alices, bobs := b.login(t, "alice"), b.login(t, "bob")
			alices = b.refresh(t, alices, session.Rotated)
			if err := c.end(t, b, b.standing(t, alices).UserID); err != nil {
				t.Fatal(err)
			}
			b.refused(t, alices, session.Revoked)
			if s := b.standing(t, alices); s.RevokedAt.IsZero() || s.RevokeReason == "" || reason[:4] != s.RevokeReason[:4] {
				t.Errorf("revoked at %s by %q, want %q", s.RevokedAt, s.RevokeReason, reason)
			}
			if c.spare {
				b.refresh(t, bobs, session.Rotated)
				return
			}
			b.refused(t, bobs, session.Revoked)
		})
	}
}

func TestADisabledClientIsRefusedAsAClient(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	if err := b.store.DisableClient(t.Context(), client.FirstParty, audit.New(audit.ClientDisabled, audit.ByOperator("root"))); err != nil {
		t.Fatal(err)
	}
	// The directory is up to a second behind; the row is not.
	_, err := b.RefreshPair(t.Context(), b.by(home()), pairOf(tokens))
	wantError(t, err, authority.ErrClient)
	wantError(t, b.EndOtherSessions(t.Context(), b.by(home()), pairOf(tokens)), authority.ErrClient)
}
