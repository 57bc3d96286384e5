package authority_test

import (
	"context"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	clocks "github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/redis"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// production is a bench whose states are in a real Redis, and whose three clocks a test sets.
type production struct {
	*bench
	now  time.Time // the true time; the clock of the bench is the database's
	odd  clocks.Name
	wide time.Duration // how far the odd clock is ahead
}

func newProduction(t *testing.T, odd clocks.Name, change func(*client.Client)) *production {
	t.Helper()
	store, err := redis.Open(t.Context(), redis.Config{URL: testserver.Redis(t), LimitKey: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	p := &production{bench: newBench(t, change), now: begin(), odd: odd}
	p.States = redisAt{store, p}
	p.Clocks = clocks.NewWatch(func() time.Time { return p.read().Machine })
	p.Clocks.Note(p.read())
	return p
}

// read is what the clocks show.
func (p *production) read() clocks.Clocks {
	c := clocks.Clocks{Redis: p.now, Database: p.now, Machine: p.now}
	switch p.odd {
	case clocks.Redis:
		c.Redis = c.Redis.Add(p.wide)
	case clocks.Database:
		c.Database = c.Database.Add(p.wide)
	default:
		c.Machine = c.Machine.Add(p.wide)
	}
	return c
}

// set sets the odd clock, and pass lets time pass; the replica reads the clocks.
func (p *production) set(ahead time.Duration) { p.wide = ahead; p.pass(0) }

func (p *production) pass(d time.Duration) {
	p.now = p.now.Add(d)
	p.clock.jump(p.read().Database.Sub(p.clock.Now()))
	p.Clocks.Note(p.read())
}

// redisAt is Redis by the clock that the test sets.
type redisAt struct {
	session.States
	p *production
}

func (r redisAt) UpdateState(ctx context.Context, id string, keep time.Duration, decide session.Decider) error {
	return r.States.UpdateState(ctx, id, keep, func(stored session.State, _ clocks.Clocks) (session.State, bool) {
		return decide(stored, clocks.Clocks{Redis: r.p.read().Redis})
	})
}

// near reports whether a time is the true one. The clocks move on while a test runs.
func (p *production) near(t time.Time) bool { return t.Sub(p.now).Abs() < time.Minute }

// eachWrongClock tells a story for every clock, set by more or less.
func eachWrongClock(t *testing.T, change func(*client.Client), story func(t *testing.T, p *production, ahead time.Duration)) {
	t.Helper()
	for _, odd := range []clocks.Name{clocks.Redis, clocks.Database, clocks.Machine} {
		for _, ahead := range []time.Duration{40 * time.Second, -40 * time.Second, time.Hour, -time.Hour, 31 * 24 * time.Hour, -31 * 24 * time.Hour} {
			t.Run(string(odd)+" "+ahead.String(), func(t *testing.T) {
				t.Parallel()
				story(t, newProduction(t, odd, change), ahead)
			})
		}
	}
}

// TestAClockThatIsSetLogsNobodyOut who has lost an answer: the token is repeated within the
// grace, and after it is a replay, in true time, before, while and after the clock is wrong.
func TestAClockThatIsSetLogsNobodyOut(t *testing.T) {
	t.Parallel()
	eachWrongClock(t, nil, func(t *testing.T, p *production, ahead time.Duration) {
		first := p.login(t, "alice")
		for _, wide := range []time.Duration{ahead, 0} {
			second := p.refresh(t, first, session.Rotated)
			p.pass(grace / 2)
			p.set(wide)
			if again := p.refresh(t, first, session.Repeated); again.RefreshToken != second.RefreshToken {
				t.Error("the repeat gave another token")
			}
			first = second
		}
		p.refresh(t, first, session.Rotated)
		p.wait(2*grace, ahead)
		p.refused(t, first, session.Replayed)
	})
}

// TestNoWrongClockMakesASessionShorterOrLonger when it is wrong at the login, nor when it is
// wrong at the end.
func TestNoWrongClockMakesASessionShorterOrLonger(t *testing.T) {
	t.Parallel()
	eachWrongClock(t, nil, func(t *testing.T, p *production, ahead time.Duration) {
		p.set(ahead)
		tokens := p.login(t, "alice")
		if end := p.standing(t, tokens).AbsoluteExpiry; !p.near(end.Add(-life)) {
			t.Errorf("the session that began at %s ends at %s", p.now, end)
		}
		if at := p.parse(t, tokens).IssuedAt; !p.near(at) {
			t.Errorf("at %s its first token is of %s", p.now, at)
		}
		tokens = p.refresh(t, tokens, session.Rotated)
		p.wait(idle-time.Minute, ahead)
		tokens = p.refresh(t, tokens, session.Rotated)
		p.wait(idle, ahead)
		p.refused(t, tokens, session.Expired)
	})
}

// wait lets time pass while all clocks are right, and then sets the odd one.
func (p *production) wait(d, ahead time.Duration) {
	p.set(0)
	p.pass(d)
	p.clock.poll()
	p.set(ahead)
}

// TestAccessTokensHaveTheTrueTime, so that verifiers neither refuse them nor take them for
// longer; and the authority itself takes them no longer.
func TestAccessTokensHaveTheTrueTime(t *testing.T) {
	t.Parallel()
	eachWrongClock(t, nil, func(t *testing.T, p *production, ahead time.Duration) {
		p.set(ahead)
		tokens := p.login(t, "alice")
		for what, tokens := range map[string]authority.Tokens{"login": tokens, "refresh": p.refresh(t, tokens, session.Rotated)} {
			if c := p.claims(t, tokens); !p.near(c.IssuedAt) || c.Expiry.Sub(c.IssuedAt) != ttl {
				t.Errorf("at %s the %s gives a token from %s to %s", p.now, what, c.IssuedAt, c.Expiry)
			}
		}
		p.own(t, tokens)
		p.set(0)
		p.own(t, tokens)
		p.wait(ttl+time.Minute, ahead)
		_, err := p.OwnSessions(t.Context(), p.by(home()), tokens.AccessToken)
		wantError(t, err, authority.ErrBearer)
	})
}

// TestATokenThatNeverRotatesEndsInTrueTime: there is no state of it, so Redis's clock comes
// from the latest reading.
func TestATokenThatNeverRotatesEndsInTrueTime(t *testing.T) {
	t.Parallel()
	never := func(c *client.Client) { c.Rotation = client.RotateNever }
	eachWrongClock(t, never, func(t *testing.T, p *production, ahead time.Duration) {
		tokens := p.login(t, "alice")
		p.set(ahead)
		renewed := p.refresh(t, tokens, session.Renewed)
		if at := p.parse(t, renewed).IssuedAt; !p.near(at) {
			t.Errorf("at %s the token is of %s", p.now, at)
		}
		p.wait(idle-time.Minute, ahead)
		p.refresh(t, tokens, session.Renewed)
		p.wait(time.Minute, ahead)
		p.refused(t, tokens, session.Expired)
	})
}

// TestNoRevocationLooksOldBecauseAClockIsBehind: a replica that starts later must find it young
// enough for the lists, whoever ended the session.
func TestNoRevocationLooksOldBecauseAClockIsBehind(t *testing.T) {
	t.Parallel()
	eachWrongClock(t, nil, func(t *testing.T, p *production, ahead time.Duration) {
		mine, other, third, fourth := p.login(t, "alice"), p.login(t, "alice"), p.login(t, "alice"), p.login(t, "alice")
		p.set(ahead)
		wantError(t, p.EndSession(t.Context(), p.by(home()), pairOf(mine), p.standing(t, other).ID), nil)
		wantError(t, p.Logout(t.Context(), p.by(home()), pairOf(fourth)), nil)
		wantError(t, p.EndOtherSessions(t.Context(), p.by(home()), pairOf(mine)), nil)
		for name, tokens := range map[string]authority.Tokens{"ended elsewhere": other, "logged out": fourth, "one of all others": third} {
			if at := p.standing(t, tokens).RevokedAt; at.Before(p.now.Add(-time.Minute)) {
				t.Errorf("%s at %s: the row says %s", name, p.now, at)
			}
		}
	})
}
