package authority_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// picture is all that a session is.
type picture struct {
	Standing session.Standing
	State    session.State
	Events   []audit.Event
}

func (b *bench) picture(t *testing.T, tokens authority.Tokens) picture {
	t.Helper()
	return picture{b.standing(t, tokens), b.state(t, tokens), b.events(t, tokens)}
}

// verbs are all that a refresh token or a pair can be presented to.
func (b *bench) verbs(t *testing.T) map[string]func(authority.Pair) error {
	t.Helper()
	return map[string]func(authority.Pair) error{
		"refresh pair": func(p authority.Pair) error { _, err := b.RefreshPair(t.Context(), b.by(thief()), p); return err },
		"refresh": func(p authority.Pair) error {
			_, err := b.Refresh(t.Context(), b.by(thief()), p.RefreshToken)
			return err
		},
		"revoke":     func(p authority.Pair) error { return b.Revoke(t.Context(), b.by(thief()), p.RefreshToken) },
		"logout":     func(p authority.Pair) error { return b.Logout(t.Context(), b.by(thief()), p) },
		"end others": func(p authority.Pair) error { return b.EndOtherSessions(t.Context(), b.by(thief()), p) },
		"end one":    func(p authority.Pair) error { return b.EndSession(t.Context(), b.by(thief()), p, "any") },
	}
}

// TestS10AChangedTokenReachesNoStore flips every bit of a refresh token.
func TestS10AChangedTokenReachesNoStore(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	before := b.picture(t, tokens)
	*b.calls = calls{Store: b.store, states: b.store}
	text, _ := strings.CutPrefix(tokens.RefreshToken, "mrt_")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		raw[bit/8] ^= 1 << (bit % 8)
		changed := authority.Pair{AccessToken: tokens.AccessToken, RefreshToken: "mrt_" + base64.RawURLEncoding.EncodeToString(raw)}
		raw[bit/8] ^= 1 << (bit % 8)
		for verb, present := range b.verbs(t) {
			if err := present(changed); verb != "revoke" { // RFC 7009 §2.2: no error for what is no token
				wantError(t, err, authority.ErrGrant)
			}
		}
	}
	if b.calls.reads+b.calls.changes > 0 {
		t.Errorf("%d reads and %d changes, want none", b.calls.reads, b.calls.changes)
	}
	if diff := cmp.Diff(b.picture(t, tokens), before); diff != "" {
		t.Errorf("the session (-got +want):\n%s", diff)
	}
	b.refresh(t, tokens, session.Rotated)
}

// TestS10AWrongPairOrClientChangesNothing: what fails before the state is looked at
// leaves it alone, and revokes nothing.
func TestS10AWrongPairOrClientChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	used := b.login(t, "alice")
	alices, more, bobs := b.refresh(t, used, session.Rotated), b.login(t, "alice"), b.login(t, "bob")
	b.clock.pass(time.Hour) // from now on the used token is a replay
	var before []picture
	all := []authority.Tokens{alices, more, bobs}
	for _, tokens := range all {
		before = append(before, b.picture(t, tokens))
	}
	b.calls.changes = 0
	for name, access := range map[string]string{
		"another session's": more.AccessToken, "another user's": bobs.AccessToken, "none": "", "garbage": "a.b.c",
		"changed": alices.AccessToken[:len(alices.AccessToken)-8] + "AAAAAAAA", "a refresh token": alices.RefreshToken,
	} {
		for verb, present := range b.verbs(t) {
			if verb == "refresh" || verb == "revoke" { // which take no pair
				continue
			}
			for _, refresh := range []authority.Tokens{used, alices} {
				if err := present(authority.Pair{AccessToken: access, RefreshToken: refresh.RefreshToken}); err == nil {
					t.Errorf("%s took the access token: %s", verb, name)
				}
			}
		}
	}
	for _, refresh := range []authority.Tokens{used, alices} {
		_, err := b.Refresh(t.Context(), b.as(stranger(), thief()), refresh.RefreshToken)
		wantError(t, err, authority.ErrGrant)
		wantError(t, b.Revoke(t.Context(), b.as(stranger(), thief()), refresh.RefreshToken), nil)
	}
	if b.calls.changes > 0 {
		t.Errorf("%d changes, want none", b.calls.changes)
	}
	for i, tokens := range all {
		if diff := cmp.Diff(b.picture(t, tokens), before[i]); diff != "" {
			t.Errorf("session %d (-got +want):\n%s", i, diff)
		}
	}
	b.refused(t, used, session.Replayed) // the bench is right: with its own pair it is one
}
