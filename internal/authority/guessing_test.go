package authority_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/store/memory"
)

// guarded is a bench that counts the tries at each account.
func guarded(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, nil)
	b.Limits = memory.NewLimits(b.clock.Now, 10_000)
	b.LoginRate = ratelimit.Rate{Limit: 10, Per: time.Minute}
	b.AccountRate = ratelimit.Rate{Limit: 20, Per: time.Hour}
	return b
}

// from is a caller at that address.
func from(address string) authority.Origin {
	return authority.Origin{Address: address, UserAgent: "app/1", RequestID: "a request"}
}

// guess tries that name once from each of so many addresses and returns how many tries were compared.
func (b *bench) guess(t *testing.T, name string, addresses int) (compared int) {
	t.Helper()
	for i := range addresses {
		_, err := b.Login(t.Context(), b.by(from(fmt.Sprintf("198.51.%d.%d", i/200, i%200))), name, "guess")
		if _, limited := errors.AsType[*ratelimit.Exceeded](err); limited {
			continue
		}
		wantError(t, err, authority.ErrCredentials)
		compared++
	}
	return compared
}

// USR-22.
func TestAnAccountGuessedFromManyAddressesIsClosedToStrangersOnly(t *testing.T) {
	t.Parallel()
	b := guarded(t)
	home, away := b.by(from("203.0.113.7")), b.by(from("203.0.113.8"))
	if _, err := b.Login(t.Context(), home, "alice", password); err != nil {
		t.Fatal(err)
	}
	if got := b.guess(t, "alice", 600); got != 19 { // the first login took one
		t.Errorf("%d guesses of 600 were compared, want 19", got)
	}
	if _, err := b.Login(t.Context(), home, "alice", password); err != nil {
		t.Errorf("the owner, from where they logged in before: %v", err)
	}
	if _, err := b.Login(t.Context(), away, "alice", password); !limited(err) {
		t.Errorf("the owner, from elsewhere: %v, want the limit", err)
	}
	b.clock.pass(3 * time.Minute)
	if _, err := b.Login(t.Context(), away, "alice", password); err != nil {
		t.Errorf("from elsewhere, when a try has come back: %v", err)
	}
}

func limited(err error) bool {
	_, is := errors.AsType[*ratelimit.Exceeded](err)
	return is
}

// TestWhoIsKnownStillHasNoMoreTriesThanOnePair.
func TestWhoIsKnownStillHasNoMoreTriesThanOnePair(t *testing.T) {
	t.Parallel()
	b := guarded(t)
	home := b.by(from("203.0.113.7"))
	b.guess(t, "alice", 30)
	b.clock.pass(time.Hour)
	if _, err := b.Login(t.Context(), home, "alice", password); err != nil {
		t.Fatal(err)
	}
	for range 9 {
		_, err := b.Login(t.Context(), home, "alice", "wrong")
		wantError(t, err, authority.ErrCredentials)
	}
	if _, err := b.Login(t.Context(), home, "alice", "wrong"); !limited(err) {
		t.Errorf("the eleventh try: %v, want the limit of a user and an address", err)
	}
}

// TestASubscriberIsKnownForThirtyDaysToTheUserWhoLoggedIn, and to nobody else.
func TestASubscriberIsKnownForThirtyDaysToTheUserWhoLoggedIn(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		login, asks string
		user        string
		after       time.Duration
		known       bool
	}{
		"the same address":        {"203.0.113.7", "203.0.113.7", "alice", time.Hour, true},
		"its IPv6 spelling":       {"203.0.113.7", "::ffff:203.0.113.7", "alice", time.Hour, true},
		"the same household":      {"2001:db8:0:101::1", "2001:db8:0:102::2", "alice", time.Hour, true},
		"another household":       {"2001:db8:0:101::1", "2001:db8:0:201::1", "alice", time.Hour, false},
		"another address":         {"203.0.113.7", "203.0.113.8", "alice", time.Hour, false},
		"another user":            {"203.0.113.7", "203.0.113.7", "bob", time.Hour, false},
		"nearly thirty days":      {"203.0.113.7", "203.0.113.7", "alice", 30*day - time.Second, true},
		"thirty days":             {"203.0.113.7", "203.0.113.7", "alice", 30 * day, false},
		"no address, though both": {"unknown", "unknown", "alice", time.Hour, false},
	} {
		b := guarded(t)
		if _, err := b.Login(t.Context(), b.by(from(c.login)), "alice", password); err != nil {
			t.Fatal(err)
		}
		b.clock.jump(c.after)
		b.guess(t, c.user, 30)
		_, err := b.Login(t.Context(), b.by(from(c.asks)), c.user, "wrong")
		if known := errors.Is(err, authority.ErrCredentials); known != c.known {
			t.Errorf("%s: %v, known should be %v", name, err, c.known)
		}
	}
}

// TestALimitTellsNotWhetherThereIsSuchAUser: unknown and disabled users have the same budget, the same answers and the
// same calls.
func TestALimitTellsNotWhetherThereIsSuchAUser(t *testing.T) {
	t.Parallel()
	var answers [][]string
	for _, name := range []string{"alice", "nobody", "a name that is none \x00"} {
		b := guarded(t)
		b.Limits = limits{b.Limits, b.calls}
		var got []string
		for i := range 30 {
			calls := b.callsOf(func() {
				_, err := b.Login(t.Context(), b.by(from(fmt.Sprintf("198.51.100.%d", i))), name, "guess")
				got = append(got, fmt.Sprint(err))
			})
			got = append(got, fmt.Sprint(len(calls)))
		}
		answers = append(answers, got)
	}
	if !slices.Equal(answers[0], answers[1]) || !slices.Equal(answers[0], answers[2]) {
		t.Errorf("answers differ:\n%v\n%v\n%v", answers[0], answers[1], answers[2])
	}
}

// TestARefusedLoginLeavesNothingOfWhatWasTyped, only whose account it was and where it came from.
func TestARefusedLoginLeavesNothingOfWhatWasTyped(t *testing.T) {
	t.Parallel()
	b := guarded(t)
	for _, name := range []string{"alice", "typed by mistake"} {
		_, err := b.Login(t.Context(), b.by(from("203.0.113.7")), name, "typed as a password")
		wantError(t, err, authority.ErrCredentials)
	}
	if err := b.Events.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	events, err := b.store.Events(t.Context(), audit.Query{Kind: audit.LoginRefused, Limit: 10})
	if err != nil || len(events) != 2 {
		t.Fatalf("%d events, %v, want 2", len(events), err)
	}
	for _, e := range events {
		if strings.Contains(fmt.Sprintf("%+v", e), "typed") || e.Address != "203.0.113.7" || e.Detail["network"] != "203.0.113.7/32" {
			t.Errorf("event %+v", e)
		}
	}
	if a := b.user(t, "alice").ID; events[0].UserID+events[1].UserID != a {
		t.Errorf("events of %q and %q, want one of %s and one of nobody", events[0].UserID, events[1].UserID, a)
	}
}

// lastTry calls off what comes after a limit that is reached.
type lastTry struct {
	ratelimit.Store
	callOff context.CancelFunc
}

func (l lastTry) Take(ctx context.Context, key string, rate ratelimit.Rate) (ratelimit.Decision, error) {
	decision, err := l.Store.Take(ctx, key, rate)
	if !decision.Allowed {
		l.callOff()
	}
	return decision, err
}

// TestALimitIsToldAfterThePauseOfARefusal: told at once, its time would be that of looking the user up, or not.
func TestALimitIsToldAfterThePauseOfARefusal(t *testing.T) {
	t.Parallel()
	for what, addresses := range map[string]int{"of one network": 1, "of the account": 1000} {
		b := guarded(t)
		ctx, cancel := context.WithCancel(t.Context())
		b.Limits = lastTry{b.Limits, cancel}
		var err error
		for i := range 100 {
			if _, err = b.Login(ctx, b.by(from(fmt.Sprintf("198.51.100.%d", i%addresses))), "alice", "guess"); limited(err) {
				break
			}
		}
		if !limited(err) || !errors.Is(err, context.Canceled) { // the pause was called off
			t.Errorf("the limit %s: %v, want it after a pause", what, err)
		}
	}
}

// TestNoPasswordTellsAnAddressThatHasAUser: tries are counted by the same name whatever the password, also one that no
// user can have, or the limit would tell whose addresses are others' names.
func TestNoPasswordTellsAnAddressThatHasAUser(t *testing.T) {
	t.Parallel()
	told := map[string]bool{}
	for _, address := range []string{"alice@example.com", "nobody@example.com"} {
		b := guarded(t)
		caller := b.by(from("203.0.113.7"))
		for range b.LoginRate.Limit {
			_, err := b.Login(t.Context(), caller, address, strings.Repeat("x", 10_000))
			wantError(t, err, authority.ErrCredentials)
		}
		_, err := b.Login(t.Context(), caller, address, "guess")
		told[address] = limited(err)
	}
	if told["alice@example.com"] != told["nobody@example.com"] {
		t.Errorf("limited: %v, want the same of both", told)
	}
}
