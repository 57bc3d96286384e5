package authority_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/memory"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// user is what the store says of a user now.
func (b *bench) user(t *testing.T, name string) user.User {
	t.Helper()
	u, err := b.store.UserByUsername(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// setHash gives a user another stored hash, without an event.
func (b *bench) setHash(t *testing.T, name, hash string) {
	t.Helper()
	u := b.user(t, name)
	if err := b.store.ReplaceHash(t.Context(), u.ID, u.PasswordHash, hash); err != nil {
		t.Fatal(err)
	}
}

// strangers are logins that must fail, and what makes them.
func strangers() map[string]func(t *testing.T, b *bench) (name, password string) {
	return map[string]func(t *testing.T, b *bench) (string, string){
		"a wrong password": func(*testing.T, *bench) (string, string) { return "alice", "wrong" },
		"an unknown user":  func(*testing.T, *bench) (string, string) { return "nobody", password },
		"no name":          func(*testing.T, *bench) (string, string) { return "", password },
		"a name that is none": func(*testing.T, *bench) (string, string) {
			return "alice\x00", password
		},
		"a disabled user": func(t *testing.T, b *bench) (string, string) {
			wantError(t, b.store.DisableUser(t.Context(), b.user(t, "alice").ID, audit.New(audit.UserDisabled, audit.ByOperator("root"))), nil)
			return "alice", password
		},
		"a damaged hash": func(t *testing.T, b *bench) (string, string) {
			b.setHash(t, "alice", "damaged")
			return "alice", password
		},
		"no hash": func(t *testing.T, b *bench) (string, string) {
			b.setHash(t, "alice", "")
			return "alice", password
		},
	}
}

// TestEveryRefusedLoginGetsTheSameAnswer, and has the same work done: a caller that leaves
// before the password is hashed hears of that, not of a refusal.
func TestEveryRefusedLoginGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	for name, prepare := range strangers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			username, try := prepare(t, b)
			b.costly(t) // a better hash would be stored, were the password right
			calls := b.callsOf(func() {
				if _, err := b.Login(t.Context(), b.by(thief()), username, try); err != authority.ErrCredentials { //nolint:errorlint // bare, as every refusal
					t.Errorf("%v, want %v", err, authority.ErrCredentials)
				}
			})
			if diff := cmp.Diff(calls, []string{"UserByLogin", "Sessions"}); diff != "" {
				t.Errorf("calls (-got +want):\n%s", diff)
			}
			if diff := cmp.Diff(b.counted, map[string]int{"refused": 1}); diff != "" {
				t.Errorf("counted (-got +want):\n%s", diff)
			}
			if damaged := strings.Contains(b.log.String(), "damaged"); damaged != (name == "a damaged hash") {
				t.Errorf("log: %s", b.log)
			}
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			b.calls.after = func(call string) {
				if call == "UserByLogin" {
					leave()
				}
			}
			if _, err := b.Login(ctx, b.by(thief()), username, try); !errors.Is(err, context.Canceled) {
				t.Errorf("without hashing: %v, want %v", err, context.Canceled)
			}
			if sessions := b.sessionsOf(t, "alice"); len(sessions) > 0 {
				t.Errorf("sessions %+v", sessions)
			}
		})
	}
}

func TestAPasswordThatNobodyCanHaveIsNotLookedUp(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, try := range []string{"", strings.Repeat("x", 257), "a\x00b"} {
		calls := b.callsOf(func() {
			_, err := b.Login(t.Context(), b.by(home()), "alice", try)
			wantError(t, err, authority.ErrCredentials)
		})
		if len(calls) > 0 {
			t.Errorf("%q: calls %v", try, calls)
		}
	}
}

// TestGuessesFromNeighbouringNetworksAreCountedTogether (USR-23).
func TestGuessesFromNeighbouringNetworksAreCountedTogether(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		address string
		want    int
	}{"/64s of one /56": {"2001:db8:1:%x::1", 20}, "6to4 of one IPv4 address": {"2002:c000:207:%x::1", 10}} {
		b := newBench(t, nil)
		b.Limits, b.LoginRate = memory.NewLimits(b.clock.Now, 1000), ratelimit.Rate{Limit: 10, Per: time.Minute}
		refused := 0
		for i := range 30 {
			_, err := b.Login(t.Context(), b.by(authority.Origin{Address: fmt.Sprintf(c.address, i)}), "alice", "wrong")
			if errors.Is(err, authority.ErrCredentials) {
				refused++
			}
		}
		if refused != c.want {
			t.Errorf("%s: %d of 30 guesses are compared, want %d", name, refused, c.want)
		}
	}
}

// TestTriesAreCountedPerUserAndSubscriber, before the password is looked at: a caller that
// tries too often can't go on guessing, nor log in by the right one.
func TestTriesAreCountedPerUserAndSubscriber(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.LoginRate = ratelimit.Rate{Limit: 2, Per: time.Minute}
	from := home()
	from.Address, from.Subscriber = "2001:db8::7", "2001:db8::/64"
	for _, spelling := range []string{"ALICE", "alice@example.com"} {
		_, err := b.Login(t.Context(), b.by(from), spelling, "wrong")
		wantError(t, err, authority.ErrCredentials)
	}
	calls := b.callsOf(func() {
		_, err := b.Login(t.Context(), b.by(from), "Alice", password)
		if exceeded, ok := errors.AsType[*ratelimit.Exceeded](err); !ok || exceeded.RetryAfter != 30*time.Second {
			t.Errorf("%v, want a wait of 30 s", err)
		}
	})
	if diff := cmp.Diff(calls, []string{"UserByLogin", "Take login:alice@2001:db8::/64"}); diff != "" {
		t.Errorf("calls (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(b.counted, map[string]int{"refused": 2, "limited": 1}); diff != "" {
		t.Errorf("counted (-got +want):\n%s", diff)
	}
	if _, err := b.Login(t.Context(), b.by(from), "bob", password); err != nil {
		t.Errorf("another user from there: %v", err)
	}
	if _, err := b.Login(t.Context(), b.by(home()), "alice", password); err != nil {
		t.Errorf("the user from elsewhere: %v", err)
	}
	if calls := b.callsOf(func() { _, _ = b.Login(t.Context(), b.by(from), "al ice", password) }); calls[1] != "Take login:@2001:db8::/64" {
		t.Errorf("a name that is none calls %v", calls)
	}
}

func TestALoginIsRecordedWithAllThatIsKnown(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	s, got := b.standing(t, tokens), lastEvent(t, b, tokens)
	want := audit.Event{
		ID: got.ID, At: b.clock.Now(), Kind: audit.SessionStarted, Actor: audit.ByUser(b.user(t, "alice").ID), UserID: b.user(t, "alice").ID, ClientID: client.FirstParty,
		SessionID: s.ID, Address: home().Address, UserAgent: home().UserAgent, RequestID: home().RequestID,
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("event (-got +want):\n%s", diff)
	}
	if b.counted["success"] != 1 || len(b.counted) != 1 {
		t.Errorf("counted %v", b.counted)
	}
	b.calls.before = func(context.Context, string) error { return errors.New("down") }
	if _, err := b.Login(t.Context(), b.by(home()), "alice", password); err == nil || b.counted["error"] != 1 {
		t.Errorf("%v, counted %v, want an error more", err, b.counted)
	}
}

// costly replaces the hasher by one with other costs.
func (b *bench) costly(t *testing.T) user.Params {
	t.Helper()
	params := user.Params{MemoryKiB: 16, Time: 1, Threads: 1}
	better, err := user.NewHasher(params, 2, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	b.Hasher = better
	return params
}

// TestALoginStoresItsPasswordUnderTodaysCosts, once; a wrong password changes nothing.
func TestALoginStoresItsPasswordUnderTodaysCosts(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.costly(t)
	before := b.user(t, "alice").PasswordHash
	_, err := b.Login(t.Context(), b.by(home()), "alice", "wrong")
	wantError(t, err, authority.ErrCredentials)
	if got := b.user(t, "alice").PasswordHash; got != before {
		t.Errorf("a wrong password changed the hash to %s", got)
	}
	tokens := b.login(t, "alice")
	after := b.user(t, "alice").PasswordHash
	if !strings.HasPrefix(after, "$argon2id$v=19$m=16,t=1,p=1$") {
		t.Errorf("hash %s, want one of today's costs", after)
	}
	if ok, stale, err := b.Hasher.Verify(t.Context(), after, password); !ok || stale || err != nil {
		t.Errorf("the new hash: %v, %v, %v", ok, stale, err)
	}
	b.login(t, "alice")
	if got := b.user(t, "alice").PasswordHash; got != after {
		t.Errorf("the next login changed the hash to %s", got)
	}
	b.refresh(t, tokens, session.Rotated) // which ends no session
	if b.log.Len() > 0 {
		t.Errorf("log: %s", b.log)
	}
}

// TestABetterHashThatComesTooLateChangesNothing: a new password was set meanwhile, so the old
// one neither comes back nor logs in.
func TestABetterHashThatComesTooLateChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.costly(t)
	alice := b.user(t, "alice")
	b.calls.before = func(_ context.Context, call string) error {
		if call == "ReplaceHash" {
			return b.store.SetPassword(t.Context(), alice.ID, "another", audit.New(audit.UserPasswordChanged, audit.ByOperator("root")))
		}
		return nil
	}
	_, err := b.Login(t.Context(), b.by(home()), "alice", password)
	wantError(t, err, authority.ErrCredentials)
	if got := b.user(t, "alice").PasswordHash; got != "another" {
		t.Errorf("hash %s, want that of the new password", got)
	}
}

func TestALoginSucceedsThoughTheRehashFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.costly(t)
	before := b.user(t, "alice").PasswordHash
	b.calls.before = func(_ context.Context, call string) error {
		if call == "ReplaceHash" {
			return errors.New("down")
		}
		return nil
	}
	b.login(t, "alice")
	if got := b.user(t, "alice").PasswordHash; got != before || !strings.Contains(b.log.String(), "rehash") {
		t.Errorf("hash %s; log: %s", got, b.log)
	}
}

// TestAUserWhoChangedMeanwhileDoesNotLogIn: the password was right a moment ago.
func TestAUserWhoChangedMeanwhileDoesNotLogIn(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	alice := b.user(t, "alice")
	b.calls.before = func(_ context.Context, call string) error {
		if call == "StartSession" {
			return b.store.RevokeAll(t.Context(), alice.ID, session.ReasonOperator, audit.New(audit.UserSessionsEnded, audit.ByOperator("root")))
		}
		return nil
	}
	if _, err := b.Login(t.Context(), b.by(home()), "alice", password); err != authority.ErrCredentials { //nolint:errorlint // bare, as every refusal
		t.Errorf("%v, want %v", err, authority.ErrCredentials)
	}
	if b.counted["refused"] != 1 || len(b.sessionsOf(t, "alice")) > 0 {
		t.Errorf("counted %v, sessions %+v", b.counted, b.sessionsOf(t, "alice"))
	}
}

func registration(name, try string) user.Registration {
	return user.Registration{Username: name, Email: name + "@example.com", Password: secret.NewString(try)}
}

func TestARegistrationIsRecordedAndItsPasswordLogsIn(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	wantError(t, b.Register(t.Context(), b.by(thief()), registration("Carol", password)), nil)
	carol := b.user(t, "carol")
	events, err := b.store.Events(t.Context(), audit.Query{UserID: carol.ID, Limit: 10})
	if err != nil || len(events) != 1 {
		t.Fatalf("events %+v, %v", events, err)
	}
	want := audit.Event{
		ID: events[0].ID, At: b.clock.Now(), Kind: audit.UserRegistered, Actor: audit.ByUser(carol.ID), UserID: carol.ID,
		Address: thief().Address, UserAgent: thief().UserAgent, RequestID: thief().RequestID,
	}
	if diff := cmp.Diff(events[0], want); diff != "" {
		t.Errorf("event (-got +want):\n%s", diff)
	}
	if carol.Username != "Carol" || carol.Email != "Carol@example.com" || carol.PasswordHash == password {
		t.Errorf("user %+v", carol)
	}
	b.login(t, "carol")
	wantError(t, b.Register(t.Context(), b.by(thief()), registration("carol", password)), user.ErrUsernameTaken)
}

func TestARegistrationThatBreaksRulesOrIsClosedAddsNoUser(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	calls := b.callsOf(func() {
		err := b.Register(t.Context(), b.by(home()), registration("carol", "short"))
		if invalid, ok := errors.AsType[*authority.InvalidRegistration](err); !ok || len(invalid.Problems) == 0 || invalid.Error() == "" {
			t.Errorf("%v, want what is wrong with it", err)
		}
		b.Registration = false
		wantError(t, b.Register(t.Context(), b.by(home()), registration("carol", password)), authority.ErrRegistrationClosed)
		b.change = func(c *client.Client) { c.DisabledAt = begin() }
		off := b.restart(t, firstRoot)
		wantError(t, off.Register(t.Context(), off.by(home()), registration("carol", password)), authority.ErrClient)
	})
	_, err := b.store.UserByUsername(t.Context(), "carol")
	wantError(t, err, user.ErrNotFound)
	if len(calls) > 0 {
		t.Errorf("calls %v", calls)
	}
}

// TestANewPasswordEndsTheSessionsAndLogsIn, where it follows the rules for this user.
func TestANewPasswordEndsTheSessionsAndLogsIn(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens, alice := b.login(t, "alice"), b.user(t, "alice")
	accounts := authority.Accounts{Users: b.store, Rules: b.Password, Hasher: b.Hasher}
	for _, weak := range []string{"short", "my name is alice of old", "alice@example.com and"} {
		err := accounts.SetPassword(t.Context(), alice, secret.NewString(weak), audit.New(audit.UserPasswordChanged, audit.ByOperator("root")))
		if _, ok := errors.AsType[*authority.InvalidRegistration](err); !ok {
			t.Errorf("%q: %v, want what is wrong with it", weak, err)
		}
	}
	b.refresh(t, tokens, session.Rotated)
	event := audit.New(audit.UserPasswordChanged, audit.ByOperator("root"))
	wantError(t, accounts.SetPassword(t.Context(), alice, secret.NewString("jonquil baker seven lamps"), event), nil)
	b.refused(t, tokens, session.Revoked)
	if _, err := b.Login(t.Context(), b.by(home()), "alice", password); err != authority.ErrCredentials { //nolint:errorlint // bare, as every refusal
		t.Errorf("the old password: %v", err)
	}
	if _, err := b.Login(t.Context(), b.by(home()), "alice", "jonquil baker seven lamps"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	events, err := b.store.Events(t.Context(), audit.Query{UserID: alice.ID, Kind: audit.UserPasswordChanged, Limit: 10})
	if err != nil || len(events) != 1 || events[0].ID != event.ID {
		t.Errorf("events %+v, %v", events, err)
	}
}

// TestWithoutAHashNothingIsStored: its caller has left, or too many are being hashed.
func TestWithoutAHashNothingIsStored(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	alice, accounts := b.user(t, "alice"), authority.Accounts{Users: b.Users, Rules: b.Password, Hasher: b.Hasher}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	calls := b.callsOf(func() {
		if _, err := accounts.Add(ctx, registration("carol", password), audit.New(audit.UserCreated, audit.ByOperator("root"))); !errors.Is(err, context.Canceled) {
			t.Errorf("a new user: %v, want %v", err, context.Canceled)
		}
		err := accounts.SetPassword(ctx, alice, secret.NewString("jonquil baker seven lamps"), audit.New(audit.UserPasswordChanged, audit.ByOperator("root")))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a new password: %v, want %v", err, context.Canceled)
		}
	})
	if len(calls) > 0 {
		t.Errorf("calls %v, want none", calls)
	}
}

// TestOnlyARegisteredUserIsTheActor of the event: a user who adds another stays it.
func TestOnlyARegisteredUserIsTheActor(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	accounts := authority.Accounts{Users: b.Users, Rules: b.Password, Hasher: b.Hasher}
	event := func() audit.Event { return audit.New(audit.UserCreated, audit.ByUser("somebody")) }
	added, addErr := accounts.Add(t.Context(), registration("carol", password), event())
	registered, registerErr := accounts.Register(t.Context(), registration("dave", password), event())
	if err := errors.Join(addErr, registerErr); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]audit.Actor{added.ID: audit.ByUser("somebody"), registered.ID: audit.ByUser(registered.ID)} {
		events, err := b.store.Events(t.Context(), audit.Query{UserID: id, Limit: 10})
		if err != nil || len(events) != 1 || events[0].Actor != want {
			t.Errorf("events %+v, %v; want one by %+v", events, err, want)
		}
	}
}

// TestANewUserIsGivenBackAsStored, with the id that the event names.
func TestANewUserIsGivenBackAsStored(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	accounts := authority.Accounts{Users: b.Users, Rules: b.Password, Hasher: b.Hasher}
	event := audit.New(audit.UserCreated, audit.ByOperator("root"))
	got, err := accounts.Add(t.Context(), registration("Carol", password), event)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, b.user(t, "carol")); diff != "" {
		t.Errorf("user (-got +want):\n%s", diff)
	}
	events, err := b.store.Events(t.Context(), audit.Query{UserID: got.ID, Limit: 10})
	if err != nil || len(events) != 1 || events[0].ID != event.ID {
		t.Errorf("events %+v, %v", events, err)
	}
}

// TestTheAddressLogsInAsTheNameDoes, in any spelling, and with the same calls.
func TestTheAddressLogsInAsTheNameDoes(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, typed := range []string{"alice", "Alice", "alice@example.com", "ALICE@Example.com"} {
		calls := b.callsOf(func() {
			if _, err := b.Login(t.Context(), b.by(home()), typed, password); err != nil {
				t.Errorf("%s: %v", typed, err)
			}
		})
		if diff := cmp.Diff(calls, []string{"UserByLogin", "Sessions", "StartSession"}); diff != "" {
			t.Errorf("%s: calls (-got +want):\n%s", typed, diff)
		}
	}
	for _, typed := range []string{"al.ice@example.com", "alice+1@example.com", "alice@example.org", "nobody@example.com"} {
		if _, err := b.Login(t.Context(), b.by(home()), typed, password); !errors.Is(err, authority.ErrCredentials) {
			t.Errorf("%s: %v", typed, err)
		}
	}
}
