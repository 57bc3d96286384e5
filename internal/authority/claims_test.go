package authority_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/token"
)

func (b *bench) claims(t *testing.T, tokens authority.Tokens) token.Claims {
	t.Helper()
	claims, err := token.Parse(tokens.AccessToken, issuer, b.Keys.Public)
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// TestEveryTokenIsIssuedNowForTheLoginOfThen: iat and exp are of each refresh, auth_time
// of the login, and no two tokens share a jti.
func TestEveryTokenIsIssuedNowForTheLoginOfThen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(*client.Client)
		refresh func(t *testing.T, b *bench, tokens authority.Tokens) authority.Tokens
	}{
		"pair": {nil, mustRefresh},
		"alone": {nil, func(t *testing.T, b *bench, tokens authority.Tokens) authority.Tokens {
			next, err := b.Refresh(t.Context(), b.by(home()), tokens.RefreshToken)
			if err != nil {
				t.Fatal(err)
			}
			return next
		}},
		"unrotated": {func(c *client.Client) { c.Rotation = client.RotateNever }, mustRefresh},
		"again": {nil, func(t *testing.T, b *bench, tokens authority.Tokens) authority.Tokens {
			b.refresh(t, tokens, session.Rotated)
			b.clock.pass(grace - 2*time.Second)
			return b.refresh(t, tokens, session.Repeated)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, c.change)
			b.clock.pass(700 * time.Millisecond) // whole seconds are cut, not rounded
			tokens := b.login(t, "alice")
			login, s := b.clock.Now(), b.standing(t, tokens)
			seen := make(map[string]bool)
			for hour := range 4 {
				if hour > 0 {
					b.clock.pass(time.Hour)
					tokens = c.refresh(t, b, tokens)
				}
				now := b.clock.Now()
				got := b.claims(t, tokens)
				want := token.Claims{
					Issuer: issuer, Audiences: []string{audience}, Subject: s.UserID, ClientID: client.FirstParty, SessionID: s.ID, ID: got.ID,
					AuthTime: login.Truncate(time.Second), IssuedAt: now.Truncate(time.Second), Expiry: now.Add(ttl).Truncate(time.Second),
					Status: b.Lists.Reference(s.StatusIndex),
				}
				if diff := cmp.Diff(got, want); diff != "" || got.Status == nil {
					t.Errorf("after %d hours (-got +want):\n%s", hour, diff)
				}
				if len(got.ID) < 22 || seen[got.ID] {
					t.Errorf("after %d hours the jti is %q", hour, got.ID)
				}
				seen[got.ID] = true
				if tokens.ExpiresIn != ttl {
					t.Errorf("expires in %v, want %v", tokens.ExpiresIn, ttl)
				}
			}
		})
	}
}

func TestTheFirstRefreshTokenIsOfGenerationOneAndTheLogin(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.clock.pass(700 * time.Millisecond)
	tokens := b.login(t, "alice")
	got := b.parse(t, tokens)
	want := session.RefreshToken{Family: got.Family, Generation: 1, IssuedAt: b.clock.Now().Truncate(time.Second)}
	if got != want {
		t.Errorf("generation %d issued %s, want 1 issued %s", got.Generation, got.IssuedAt, want.IssuedAt)
	}
	if s := b.standing(t, tokens); s.Checkpoint != 1 || s.Address != home().Address || s.UserAgent != home().UserAgent || !s.CreatedAt.Equal(b.clock.Now()) {
		t.Errorf("session %+v", s.Session)
	}
	if other := b.parse(t, b.login(t, "alice")); other.Family == got.Family {
		t.Error("two sessions share a family")
	}
}

// TestAStateIsKeptForTheIdleLifetimeOfItsClientAndAnHour, whatever becomes of it.
func TestAStateIsKeptForTheIdleLifetimeOfItsClientAndAnHour(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*client.Client)
		keep   time.Duration
	}{
		"the default": {nil, idle + time.Hour},
		"shorter":     {func(c *client.Client) { c.IdleTTL = own(40 * time.Minute) }, 100 * time.Minute},
		"longer":      {func(c *client.Client) { c.IdleTTL = own(2 * idle) }, 2*idle + time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(own *client.Client) {
				own.AllowSkip = true
				if c.change != nil {
					c.change(own)
				}
			})
			check := func(what string) {
				t.Helper()
				if b.calls.keep != c.keep {
					t.Errorf("%s: kept for %v, want %v", what, b.calls.keep, c.keep)
				}
				b.calls.keep = 0
			}
			first := b.login(t, "alice")
			second := b.refresh(t, first, session.Rotated)
			check("rotated")
			b.refresh(t, first, session.Repeated)
			check("repeated")
			wantError(t, b.EndOtherSessions(t.Context(), b.by(home()), pairOf(second)), nil)
			check("only looked at")
			b.clock.pass(time.Minute)
			third := b.refresh(t, first, session.Skipped)
			check("skipped")
			b.forget(t, third)
			b.refresh(t, third, session.Healed)
			check("healed")
			b.refused(t, second, session.Replayed)
			check("replayed")
		})
	}
}

// TestASessionIsStartedUnderTheTermsOfItsClient: its lifetime is the client's own; the
// idle lifetime is that of clients that have none.
func TestASessionIsStartedUnderTheTermsOfItsClient(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*client.Client)
		life   time.Duration
	}{
		"the default": {nil, life},
		"its own":     {func(c *client.Client) { c.MaxTTL, c.IdleTTL = own(3*time.Hour), own(time.Hour) }, 3 * time.Hour},
	} {
		b := newBench(t, c.change)
		s := b.standing(t, b.login(t, "alice"))
		if got := b.calls.terms; got.Lifetime != c.life || got.Idle != idle || !got.Seen.Equal(s.SessionsValidAfter) {
			t.Errorf("%s: terms %+v, want a lifetime of %v and %v for idle ones", name, got, c.life, idle)
		}
		if got := s.AbsoluteExpiry.Sub(s.CreatedAt); got != c.life {
			t.Errorf("%s: lives %v, want %v", name, got, c.life)
		}
	}
}

// TestATokenSaysWhatItsSessionGrants, at the login and at each refresh.
func TestATokenSaysWhatItsSessionGrants(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	owner, err := b.Users.UserByID(t.Context(), b.standing(t, b.login(t, "alice")).UserID)
	if err != nil {
		t.Fatal(err)
	}
	family, authenticated := session.NewFamily(), b.clock.Now().Add(-time.Hour)
	s, err := b.Sessions.StartSession(t.Context(), session.Session{
		ID: uuid.Must(uuid.NewV7()).String(), Family: family.Hash(), UserID: owner.ID, ClientID: client.FirstParty, AuthTime: authenticated,
		Scope: "read write", Resources: []string{"https://a.example", "https://b.example"}, ACR: "2", AMR: []string{"pwd"},
	}, session.Terms{Lifetime: 24 * time.Hour, Seen: owner.SessionsValidAfter}, audit.New(audit.SessionStarted, audit.Actor{Kind: audit.User, ID: owner.ID}))
	if err != nil {
		t.Fatal(err)
	}
	raw := b.Mint.Format(session.RefreshToken{Family: family, Generation: 1, IssuedAt: s.CreatedAt.Truncate(time.Second)})
	for hour := range 2 {
		tokens, err := b.Refresh(t.Context(), b.by(home()), raw)
		if err != nil {
			t.Fatal(err)
		}
		got := b.claims(t, tokens)
		want := token.Claims{
			Issuer: issuer, Subject: owner.ID, Audiences: s.Resources, ClientID: client.FirstParty, SessionID: s.ID,
			AuthTime: authenticated.Truncate(time.Second), Scope: s.Scope, ACR: s.ACR, AMR: s.AMR,
			ID: got.ID, IssuedAt: got.IssuedAt, Expiry: got.Expiry, Status: b.Lists.Reference(s.StatusIndex),
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("after %d hours (-got +want):\n%s", hour, diff)
		}
		raw = tokens.RefreshToken
		b.clock.pass(time.Hour)
	}
}

// TestATokenNamesItsKeyAndItsActors, those that act for the subject one behind the other.
func TestATokenNamesItsKeyAndItsActors(t *testing.T) {
	t.Parallel()
	got := newBench(t, nil).Claims(session.Grant{
		Subject: "orders", ClientID: "billing", JKT: make([]byte, 32),
		Actor: &session.Actor{Subject: "billing", Before: &session.Actor{Subject: "shop"}},
	}, begin())
	want := token.Claims{
		Issuer: issuer, Subject: "orders", Audiences: []string{audience}, ClientID: "billing", ID: got.ID, IssuedAt: begin(), Expiry: begin().Add(ttl),
		JKT: make([]byte, 32), Actor: &token.Actor{Subject: "billing", Before: &token.Actor{Subject: "shop"}},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("claims (-got +want):\n%s", diff)
	}
}

// TestASessionOfAKeyIsNotRefreshedWithoutAProof: nothing here can read one yet.
func TestASessionOfAKeyIsNotRefreshedWithoutAProof(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	owner, err := b.Users.UserByID(t.Context(), b.standing(t, b.login(t, "alice")).UserID)
	if err != nil {
		t.Fatal(err)
	}
	family := session.NewFamily()
	s, err := b.Sessions.StartSession(t.Context(), session.Session{
		ID: uuid.Must(uuid.NewV7()).String(), Family: family.Hash(), UserID: owner.ID, ClientID: client.FirstParty, JKT: make([]byte, 32),
	}, session.Terms{Lifetime: time.Hour, Seen: owner.SessionsValidAfter}, audit.New(audit.SessionStarted, audit.ByUser(owner.ID)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Refresh(t.Context(), b.by(home()), b.Mint.Format(session.RefreshToken{Family: family, Generation: 1, IssuedAt: s.CreatedAt.Truncate(time.Second)}))
	wantError(t, err, authority.ErrGrant)
}

// TestEveryVerbRefusesACallerThatNothingAuthenticated.
func TestEveryVerbRefusesACallerThatNothingAuthenticated(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	verbs, caller := reflect.TypeOf(b.Authority), reflect.TypeFor[authority.Caller]()
	tried := 0
	for i := range verbs.NumMethod() {
		verb := verbs.Method(i)
		var arguments []reflect.Value
		takesCaller := false
		for n := range verb.Type.NumIn() {
			switch in := verb.Type.In(n); {
			case n == 0:
				arguments = append(arguments, reflect.ValueOf(b.Authority))
			case in == reflect.TypeFor[context.Context]():
				arguments = append(arguments, reflect.ValueOf(t.Context()))
			default:
				takesCaller = takesCaller || in == caller
				arguments = append(arguments, reflect.Zero(in))
			}
		}
		if !takesCaller {
			continue
		}
		tried++
		results := verb.Func.Call(arguments)
		if err, _ := results[len(results)-1].Interface().(error); !errors.Is(err, authority.ErrClient) {
			t.Errorf("%s: %v, want %v", verb.Name, err, authority.ErrClient)
		}
	}
	if tried < 8 {
		t.Errorf("%d verbs take a caller, want all eight", tried)
	}
}
