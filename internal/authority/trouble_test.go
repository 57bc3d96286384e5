package authority_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// deed is one thing that a caller asks for: do asks, want is the right answer, and done
// reports whether what was asked for has happened.
type deed struct {
	do   func(context.Context) error
	want error
	done func() bool
	ends bool // it ends a session: once begun, that happens whoever is gone
}

// deeds are every verb, each told on a bench of its own.
func deeds() map[string]func(*testing.T, *bench) deed {
	return map[string]func(*testing.T, *bench) deed{
		"log in":       loginDeed,
		"refresh pair": refreshDeed((*bench).refreshPair),
		"refresh":      refreshDeed((*bench).refreshAlone),
		"replay":       replayDeed((*bench).refreshPair),
		"replay alone": replayDeed((*bench).refreshAlone),
		"log out": endingDeed(session.ReasonLogout, func(ctx context.Context, b *bench, mine, _ authority.Pair, _ string) error {
			return b.Logout(ctx, b.by(home()), mine)
		}),
		"revoke": endingDeed(session.ReasonRevoked, func(ctx context.Context, b *bench, mine, _ authority.Pair, _ string) error {
			return b.Revoke(ctx, b.by(home()), mine.RefreshToken)
		}),
		"end its own": endingDeed(session.ReasonLogout, func(ctx context.Context, b *bench, mine, _ authority.Pair, id string) error {
			return b.EndSession(ctx, b.by(home()), mine, id)
		}),
		"end one": endingDeed(session.ReasonElsewhere, func(ctx context.Context, b *bench, _, other authority.Pair, id string) error {
			return b.EndSession(ctx, b.by(home()), other, id)
		}),
		"end others": endingDeed(session.ReasonElsewhere, func(ctx context.Context, b *bench, _, other authority.Pair, _ string) error {
			return b.EndOtherSessions(ctx, b.by(home()), other)
		}),
		"list":     listDeed,
		"register": registerDeed,
	}
}

func (b *bench) refreshPair(ctx context.Context, p authority.Pair) (authority.Tokens, error) {
	return b.RefreshPair(ctx, b.by(home()), p)
}

func (b *bench) refreshAlone(ctx context.Context, p authority.Pair) (authority.Tokens, error) {
	return b.Refresh(ctx, b.by(home()), p.RefreshToken)
}

type refresher = func(*bench, context.Context, authority.Pair) (authority.Tokens, error)

func loginDeed(t *testing.T, b *bench) deed {
	b.LoginRate = ratelimit.Rate{Limit: 1000, Per: time.Minute}
	return deed{
		do:   func(ctx context.Context) error { _, err := b.Login(ctx, b.by(home()), "alice", password); return err },
		done: func() bool { return len(b.sessionsOf(t, "alice")) > 0 },
	}
}

func refreshDeed(refresh refresher) func(*testing.T, *bench) deed {
	return func(t *testing.T, b *bench) deed {
		tokens := b.login(t, "alice")
		return deed{
			do:   func(ctx context.Context) error { _, err := refresh(b, ctx, pairOf(tokens)); return err },
			done: func() bool { return b.state(t, tokens).Cur == 2 },
		}
	}
}

func replayDeed(refresh refresher) func(*testing.T, *bench) deed {
	return func(t *testing.T, b *bench) deed {
		used := b.login(t, "alice")
		b.refresh(t, b.refresh(t, used, session.Rotated), session.Rotated)
		return deed{
			do:   func(ctx context.Context) error { _, err := refresh(b, ctx, pairOf(used)); return err },
			want: authority.ErrGrant, ends: true,
			done: func() bool { return b.endedBy(t, used, session.ReasonReplay, audit.SessionReplayed) },
		}
	}
}

// endingDeed ends the first of two sessions, by its own word or by the other's.
func endingDeed(reason string, end func(ctx context.Context, b *bench, mine, other authority.Pair, id string) error) func(*testing.T, *bench) deed {
	return func(t *testing.T, b *bench) deed {
		mine, other := b.login(t, "alice"), b.login(t, "alice")
		id := b.standing(t, mine).ID
		return deed{
			do:   func(ctx context.Context) error { return end(ctx, b, pairOf(mine), pairOf(other), id) },
			ends: true,
			done: func() bool { return b.endedBy(t, mine, reason, audit.SessionRevoked) },
		}
	}
}

func listDeed(t *testing.T, b *bench) deed {
	tokens, listed := b.login(t, "alice"), 0
	return deed{
		do: func(ctx context.Context) error {
			own, err := b.OwnSessions(ctx, b.by(home()), tokens.AccessToken)
			listed = len(own)
			return err
		},
		done: func() bool { return listed == 1 },
	}
}

func registerDeed(t *testing.T, b *bench) deed {
	return deed{
		do: func(ctx context.Context) error {
			return b.Register(ctx, b.by(home()), user.Registration{Username: "carol", Email: "carol@example.com", Password: secret.NewString(password)})
		},
		done: func() bool {
			_, err := b.store.UserByUsername(t.Context(), "carol")
			return err == nil
		},
	}
}

// sessionsOf are all the sessions of a user.
func (b *bench) sessionsOf(t *testing.T, name string) []session.Session {
	t.Helper()
	u, err := b.store.UserByUsername(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	all, err := b.store.Sessions(t.Context(), session.Query{UserID: u.ID, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// endedBy reports whether the session of the tokens is over for that reason, with an event
// of that kind, and whether the lists have been told to look for it.
func (b *bench) endedBy(t *testing.T, tokens authority.Tokens, reason string, kind audit.Kind) bool {
	t.Helper()
	s := b.standing(t, tokens)
	if s.RevokedAt.IsZero() {
		return false
	}
	if last := lastEvent(t, b, tokens); s.RevokeReason != reason || last.Kind != kind {
		t.Errorf("ended by %q with the event %s, want %q and %s", s.RevokeReason, last.Kind, reason, kind)
	}
	select {
	case <-b.Lists.Woken():
	default:
		t.Error("the status lists were not told")
	}
	return true
}

// eachCall runs every deed on its own bench once for each call that the deed makes to a store,
// with the number of that call, from 1 to last.
func eachCall(t *testing.T, tell func(t *testing.T, b *bench, d deed, n, last int)) {
	t.Helper()
	for name, story := range deeds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			d, last := story(t, b), 0
			b.calls.before = func(context.Context, string) error { last++; return nil }
			if err := d.do(t.Context()); err != d.want || !d.done() { //nolint:errorlint // bare, as every refusal
				t.Fatalf("without trouble: %v, want %v; done: %v", err, d.want, d.done())
			}
			if last == 0 {
				t.Fatal("it reaches no store")
			}
			for n := range last {
				b := newBench(t, nil)
				tell(t, b, story(t, b), n+1, last)
			}
		})
	}
}

// at lets something happen before the n-th call of a store.
func (b *bench) at(n int, happen func(call string) error) {
	calls := 0
	b.calls.before = func(_ context.Context, call string) error {
		if calls++; calls != n {
			return nil
		}
		return happen(call)
	}
}

func isRefusal(err error) bool {
	return slices.ContainsFunc([]error{
		authority.ErrCredentials, authority.ErrGrant, authority.ErrClient, authority.ErrAccessToken,
		authority.ErrBearer, authority.ErrSession, authority.ErrRegistrationClosed,
	}, func(refusal error) bool { return errors.Is(err, refusal) })
}

// TestTroubleOfAStoreIsNeitherARefusalNorASuccess: a client that is refused throws its
// tokens away, and one that hears of success relies on it. A replay whose revocation fails
// is such trouble, and the next try ends the session still.
func TestTroubleOfAStoreIsNeitherARefusalNorASuccess(t *testing.T) {
	t.Parallel()
	down := errors.New("the store is down")
	eachCall(t, func(t *testing.T, b *bench, d deed, n, _ int) {
		var struck string
		b.at(n, func(call string) error { struck = call; return down })
		before := maps.Clone(b.counted)
		err := d.do(t.Context())
		if delete(b.counted, "error"); struck != "RevokeSession" && !maps.Equal(b.counted, before) {
			t.Errorf("%s fails: counted %v, want %v as before", struck, b.counted, before)
		}
		if !errors.Is(err, down) || isRefusal(err) || d.done() {
			t.Errorf("%s fails: %v, want %v; done: %v", struck, err, down, d.done())
		}
		if err := d.do(t.Context()); err != d.want || !d.done() { //nolint:errorlint // bare, as every refusal
			t.Errorf("after %s failed: %v, want %v; done: %v", struck, err, d.want, d.done())
		}
	})
}

// TestACallerThatHangsUpStopsNoEndingThatHasBegun: a thief must not be able to replay and
// run. Whatever has not begun does not happen, and is no success.
func TestACallerThatHangsUpStopsNoEndingThatHasBegun(t *testing.T) {
	t.Parallel()
	eachCall(t, func(t *testing.T, b *bench, d deed, n, last int) {
		ctx, hangUp := context.WithCancel(t.Context())
		defer hangUp()
		var gone string
		b.at(n, func(call string) error { gone = call; hangUp(); return nil })
		err := d.do(ctx)
		if d.ends && n == last {
			if err != d.want || !d.done() { //nolint:errorlint // bare, as every refusal
				t.Errorf("the caller is gone at %s: %v, want %v; done: %v", gone, err, d.want, d.done())
			}
			return
		}
		if !errors.Is(err, context.Canceled) || isRefusal(err) || d.done() {
			t.Errorf("the caller is gone at %s: %v, want %v; done: %v", gone, err, context.Canceled, d.done())
		}
	})
}

// TestWithoutASignerNothingMoves: when the keys are too old from the first step on, or
// become it at any later one, either the caller has its tokens or nothing has happened.
func TestWithoutASignerNothingMoves(t *testing.T) {
	t.Parallel()
	for name, story := range deeds() {
		if !slices.Contains([]string{"log in", "refresh pair", "refresh"}, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := range 5 {
				b := newBench(t, nil)
				d := story(t, b)
				if n == 0 {
					b.clock.jump(keyring.MaxAge + time.Second)
				}
				b.at(n, func(string) error { b.clock.jump(keyring.MaxAge + time.Second); return nil })
				err := d.do(t.Context())
				if err == nil && d.done() && n > 0 { // it was too late to matter
					continue
				}
				if !errors.Is(err, keyring.ErrStale) || isRefusal(err) || d.done() {
					t.Errorf("stale before call %d: %v; done: %v", n, err, d.done())
				}
				b.calls.before = nil
				b.clock.poll()
				if err := d.do(t.Context()); err != nil || !d.done() {
					t.Errorf("with the keys read anew: %v; done: %v", err, d.done())
				}
			}
		})
	}
}

// TestWithoutAnyKeyNothingMoves: a keyring that has read nothing yet.
func TestWithoutAnyKeyNothingMoves(t *testing.T) {
	t.Parallel()
	for name, story := range deeds() {
		if name != "log in" && name != "refresh" {
			continue
		}
		b := newBench(t, nil)
		d, keys := story(t, b), b.Keys
		b.Keys = keyring.New(b.store, nil, keyPolicy(), keyring.DatabaseClock{})
		if err := d.do(t.Context()); !errors.Is(err, keyring.ErrStale) || isRefusal(err) || d.done() {
			t.Errorf("%s: %v, want %v; done: %v", name, err, keyring.ErrStale, d.done())
		}
		b.Keys = keys
		if err := d.do(t.Context()); err != nil || !d.done() {
			t.Errorf("%s, with keys: %v; done: %v", name, err, d.done())
		}
	}
}

// TestEveryStepOfARefreshOrAnEndingIsBounded: less than the grace, so that a client that
// asks again is answered by a repeat; the place in a list is worth a second only.
func TestEveryStepOfARefreshOrAnEndingIsBounded(t *testing.T) {
	t.Parallel()
	bounds := map[string]time.Duration{
		"UpdateState": 10 * time.Second, "AssignStatusIndex": time.Second,
		"RevokeSession": 10 * time.Second, "RevokeOther": 10 * time.Second, "RevokeOthers": 10 * time.Second,
	}
	for name, story := range deeds() {
		b := newBench(t, nil)
		d := story(t, b)
		b.calls.unassigned = true
		b.calls.before = func(ctx context.Context, call string) error {
			most, found := bounds[call]
			if call == "StandingByFamily" && strings.HasPrefix(name, "re") && name != "revoke" {
				most, found = 10*time.Second, true
			}
			if end, bounded := ctx.Deadline(); found && (!bounded || time.Until(end) > most) {
				t.Errorf("%s: %s may take until %v (%v), want %v at most", name, call, end, bounded, most)
			}
			return nil
		}
		if err := d.do(context.WithoutCancel(t.Context())); err != d.want { //nolint:errorlint // bare, as every refusal
			t.Errorf("%s: %v", name, err)
		}
	}
}
