package authority_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// TestTheRootSecretChangesInTwoStepsWithoutALogout: two replicas, restarted one
// after the other for each step; every token that either gives works at both.
func TestTheRootSecretChangesInTwoStepsWithoutALogout(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	for _, step := range []struct{ one, other string }{
		{firstRoot, firstRoot},
		{firstRoot + "," + secondRoot, firstRoot},
		{firstRoot + "," + secondRoot, firstRoot + "," + secondRoot},
		{secondRoot + "," + firstRoot, firstRoot + "," + secondRoot},
		{secondRoot + "," + firstRoot, secondRoot + "," + firstRoot},
	} {
		one, other := b.restart(t, step.one), b.restart(t, step.other)
		for range 2 {
			b.clock.pass(time.Hour)
			tokens = other.refresh(t, one.refresh(t, tokens, session.Rotated), session.Rotated)
			tokens = one.refresh(t, other.refresh(t, tokens, session.Rotated), session.Rotated)
		}
	}
	last := b.restart(t, secondRoot+","+firstRoot)
	successor := last.refresh(t, tokens, session.Rotated)
	if again := last.refresh(t, tokens, session.Repeated); again.RefreshToken != successor.RefreshToken {
		t.Error("a repeat under the new key gave other bytes")
	}
}

func TestARepeatAcrossTheChangeOfKeysIsOfTheSameGeneration(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	old, changed := b.restart(t, firstRoot+","+secondRoot), b.restart(t, secondRoot+","+firstRoot)
	first := old.login(t, "alice")
	given, again := old.refresh(t, first, session.Rotated), changed.refresh(t, first, session.Repeated)
	if a, b := changed.parse(t, given), changed.parse(t, again); a != b {
		t.Errorf("%+v, then %+v", a, b)
	}
	next := changed.refresh(t, given, session.Rotated)
	old.refresh(t, again, session.Repeated)
	changed.refresh(t, next, session.Rotated)
}

func TestACompromisedKeyIsGoodForTheNewestGenerationOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	first := b.login(t, "alice")
	second := b.refresh(t, first, session.Rotated)
	marked := b.restart(t, secondRoot+","+leakedRoot)
	third := marked.refresh(t, second, session.Rotated)
	if marked.parse(t, third).Compromised {
		t.Error("the successor was made under the compromised key")
	}
	if !strings.Contains(marked.log.String(), "level=WARN") || !strings.Contains(marked.log.String(), "compromised") {
		t.Errorf("log %q has no warning", marked.log)
	}
	last := lastEvent(t, marked, third)
	if last.Kind != audit.SessionCompromisedKey || last.Detail["verdict"] != "rotated" || last.Detail["generation"] != "2" {
		t.Errorf("the last event is %+v", last)
	}
	marked.refresh(t, third, session.Rotated)
	marked.refused(t, second, session.Replayed) // also within grace: whoever has the key can write it
	if last := lastEvent(t, marked, third); last.Kind != audit.SessionReplayed || last.Detail["key"] != "compromised" {
		t.Errorf("the last event is %+v", last)
	}
}

func lastEvent(t *testing.T, b *bench, tokens authority.Tokens) audit.Event {
	t.Helper()
	events := b.events(t, tokens)
	return events[len(events)-1]
}

// TestACompromisedKeyWorksOnceWhereTokensDontRotate: otherwise a thief of the key could renew
// an unchanging token forever.
func TestACompromisedKeyWorksOnceWhereTokensDontRotate(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *client.Client) { c.Rotation = client.RotateNever })
	first := b.login(t, "alice")
	marked := b.restart(t, secondRoot+","+leakedRoot)
	second := marked.refresh(t, first, session.Rotated)
	marked.refresh(t, marked.refresh(t, second, session.Renewed), session.Renewed)
	marked.refused(t, first, session.Replayed)
	marked.refused(t, second, session.Revoked)
}

func TestATokenUnderARemovedKeyIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b = b.restart(t, secondRoot+","+firstRoot)
	tokens := b.login(t, "alice")
	gone := b.restart(t, firstRoot)
	_, err := gone.RefreshPair(t.Context(), gone.by(home()), pairOf(tokens))
	wantError(t, err, authority.ErrGrant)
	b.refresh(t, tokens, session.Rotated)
}
