package authority_test

import (
	"errors"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// TestASessionWithoutItsRowIsRefusedLikeARevokedOne by every verb, also when the rotation state
// comes back without it.
func TestASessionWithoutItsRowIsRefusedLikeARevokedOne(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	tokens = b.refresh(t, tokens, session.Rotated)
	pair := authority.Pair{AccessToken: tokens.AccessToken, RefreshToken: tokens.RefreshToken}
	wantError(t, b.verbs(t)["logout"](pair), nil)
	revoked := map[string]error{}
	for name, verb := range b.verbs(t) {
		revoked[name] = verb(pair)
	}
	if _, err := b.OwnSessions(t.Context(), b.by(thief()), pair.AccessToken); !errors.Is(err, authority.ErrBearer) {
		t.Errorf("its access token, revoked: %v", err)
	}
	before := time.Now().Add(1000 * time.Hour)
	b.clock.jump(2000 * time.Hour)
	swept, err := b.store.RemoveSessions(t.Context(), audit.Sweep{Before: before, Rows: 100}, 0)
	if err != nil || swept.Removed != 1 {
		t.Fatalf("removed %d, %v; want the one that was revoked", swept.Removed, err)
	}
	b.clock.jump(-2000 * time.Hour)
	revoked["logout"] = authority.ErrGrant // it does nothing for a revoked one
	for name, verb := range b.verbs(t) {
		if got := verb(pair); !errors.Is(got, revoked[name]) {
			t.Errorf("%s: %v, want %v as of a revoked one", name, got, revoked[name])
		}
	}
	if _, err := b.OwnSessions(t.Context(), b.by(thief()), pair.AccessToken); !errors.Is(err, authority.ErrBearer) {
		t.Errorf("its access token: %v, want %v", err, authority.ErrBearer)
	}
}
