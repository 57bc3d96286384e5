package authority_test

import (
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
)

func own(d time.Duration) *time.Duration { return &d }

func TestRotationNeverIssuesAGenerationTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *client.Client) { c.Rotation = client.RotateNever })
	first := b.login(t, "alice")
	last := first
	for i := range 3 {
		b.clock.pass(20 * 24 * time.Hour) // within idle of the token before, beyond it of the first
		last = b.refresh(t, last, session.Renewed)
		got := b.parse(t, last)
		if got.Generation != 1 || !got.IssuedAt.Equal(b.clock.Now().Truncate(time.Second)) {
			t.Errorf("renewal %d: generation %d issued %s, want 1 issued now", i, got.Generation, got.IssuedAt)
		}
	}
	b.refused(t, first, session.Expired) // each copy is good until its own end
	if got := b.state(t, last); got != (session.State{}) {
		t.Errorf("a state %+v was kept", got)
	}
	if err := b.Checkpoints.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := b.standing(t, last); !s.LastSeenAt.Equal(b.clock.Now()) || s.Checkpoint != 1 {
		t.Errorf("last seen %s at checkpoint %d, want now at 1", s.LastSeenAt, s.Checkpoint)
	}
}

func TestEarlierCopiesOfARenewedTokenStayGood(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *client.Client) { c.Rotation = client.RotateNever })
	first := b.login(t, "alice")
	b.clock.pass(time.Hour)
	second := b.refresh(t, first, session.Renewed)
	b.clock.pass(time.Hour)
	b.refresh(t, first, session.Renewed)
	b.refresh(t, second, session.Renewed)
}

func TestGraceIsTheClients(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*client.Client)
		within time.Duration
	}{
		"the default": {nil, grace},
		"its own":     {func(c *client.Client) { c.Grace = own(50 * time.Second) }, 50 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, c.change)
			first := b.login(t, "alice")
			second := b.refresh(t, first, session.Rotated)
			b.clock.pass(c.within - time.Millisecond)
			if again := b.refresh(t, first, session.Repeated); again.RefreshToken != second.RefreshToken {
				t.Error("a repeat gave another successor")
			}
			b.clock.pass(time.Millisecond)
			b.refused(t, first, session.Replayed)
			b.refused(t, second, session.Revoked)
		})
	}
}

func TestWithoutGraceATokenWorksOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *client.Client) { c.Grace, c.AllowSkip = own(0), true }) // which skips don't soften
	first := b.login(t, "alice")
	second := b.refresh(t, b.refresh(t, first, session.Rotated), session.Rotated)
	b.refresh(t, second, session.Rotated)
	b.refused(t, second, session.Replayed)
	if s := b.standing(t, first); s.RevokeReason != session.ReasonReplay {
		t.Errorf("the session ended by %q, want %q", s.RevokeReason, session.ReasonReplay)
	}
}

func TestALateRetryIsSkippedThreeTimes(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *client.Client) { c.AllowSkip = true })
	first := b.login(t, "alice")
	lost := b.refresh(t, first, session.Rotated)
	for range session.MaxSkips {
		b.clock.pass(10 * 24 * time.Hour / session.MaxSkips)
		lost = b.refresh(t, first, session.Skipped)
	}
	if got := b.parse(t, lost).Generation; got != 2+session.MaxSkips {
		t.Errorf("the last answer was generation %d, want %d", got, 2+session.MaxSkips)
	}
	b.clock.pass(time.Minute)
	b.refused(t, first, session.Replayed)
}

func TestAnAnsweredSkipRestartsTheCount(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *client.Client) { c.AllowSkip = true })
	tokens := b.login(t, "alice")
	for range 2 {
		b.refresh(t, tokens, session.Rotated)
		for range session.MaxSkips - 1 {
			b.clock.pass(time.Minute)
			b.refresh(t, tokens, session.Skipped)
		}
		b.clock.pass(time.Minute)
		tokens = b.refresh(t, tokens, session.Skipped)
		b.clock.pass(time.Minute)
	}
}

func TestASkippedGenerationIsAReplay(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *client.Client) { c.AllowSkip = true })
	first := b.login(t, "alice")
	burned := b.refresh(t, first, session.Rotated)
	b.clock.pass(time.Minute)
	b.refresh(t, first, session.Skipped)
	b.refused(t, burned, session.Replayed)
}

func TestALateRetryOfAPublicClientIsAReplay(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	first := b.login(t, "alice")
	b.refresh(t, first, session.Rotated)
	b.clock.pass(grace)
	b.refused(t, first, session.Replayed)
}

func TestATokenLivesIdleFromItsIssue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*client.Client)
		idle   time.Duration
	}{
		"the default": {nil, idle},
		"its own":     {func(c *client.Client) { c.IdleTTL = own(time.Hour) }, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, c.change)
			tokens := b.login(t, "alice")
			for range 2 { // each rotation gives a whole idle lifetime
				b.clock.pass(c.idle - time.Second)
				tokens = b.refresh(t, tokens, session.Rotated)
			}
			b.clock.pass(c.idle)
			b.refused(t, tokens, session.Expired)
			if !b.standing(t, tokens).RevokedAt.IsZero() {
				t.Error("an expired token revoked its session")
			}
		})
	}
}

func TestRotationNeverExtendsTheAbsoluteLifetime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*client.Client)
		life   time.Duration
	}{
		"the default": {nil, life},
		"its own":     {func(c *client.Client) { c.MaxTTL = own(3 * time.Hour) }, 3 * time.Hour},
		"unrotated":   {func(c *client.Client) { c.MaxTTL, c.Rotation = own(3*time.Hour), client.RotateNever }, 3 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, c.change)
			tokens := b.login(t, "alice")
			for range 9 {
				b.clock.pass(c.life / 10)
				tokens = mustRefresh(t, b, tokens)
			}
			b.clock.pass(c.life/10 - time.Second)
			tokens = mustRefresh(t, b, tokens)
			b.clock.pass(time.Second)
			b.refused(t, tokens, session.Expired)
		})
	}
}

func mustRefresh(t *testing.T, b *bench, tokens authority.Tokens) authority.Tokens {
	t.Helper()
	next, err := b.RefreshPair(t.Context(), b.by(home()), pairOf(tokens))
	if err != nil {
		t.Fatal(err)
	}
	return next
}
