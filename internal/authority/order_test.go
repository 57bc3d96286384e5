package authority_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/token"
)

// signed returns one of our access tokens for the session of the tokens, with the given
// changes.
func (b *bench) signed(t *testing.T, tokens authority.Tokens, change func(*token.Claims)) string {
	t.Helper()
	claims := b.claims(t, tokens)
	change(&claims)
	signer, err := b.Keys.Signer(b.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestABearerMustMatchTheTokenInEveryWay: each row is a token that we signed, of a
// live session, and wrong in one way only.
func TestABearerMustMatchTheTokenInEveryWay(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *client.Client) { c.MaxTTL = own(time.Hour) })
	alices, bobs := b.login(t, "alice"), b.login(t, "bob")
	for name, change := range map[string]func(*token.Claims){
		"another issuer":    func(c *token.Claims) { c.Issuer = "https://elsewhere.example.com" },
		"another audience":  func(c *token.Claims) { c.Audiences = []string{"https://elsewhere.example.com"} },
		"another client":    func(c *token.Claims) { c.ClientID = "stranger" },
		"no client":         func(c *token.Claims) { c.ClientID = "" },
		"another user":      func(c *token.Claims) { c.Subject = b.claims(t, bobs).Subject },
		"another's session": func(c *token.Claims) { c.SessionID = b.claims(t, bobs).SessionID },
		"no session":        func(c *token.Claims) { c.SessionID = "" },
		"expired just now":  func(c *token.Claims) { c.Expiry = b.clock.Now() },
		"expired":           func(c *token.Claims) { c.Expiry = b.clock.Now().Add(-time.Hour) },
	} {
		if _, err := b.OwnSessions(t.Context(), b.by(home()), b.signed(t, alices, change)); err != authority.ErrBearer { //nolint:errorlint // bare, as every refusal
			t.Errorf("%s: %v, want %v", name, err, authority.ErrBearer)
		}
	}
	lasting := func(c *token.Claims) { c.Expiry = b.clock.Now().Add(2 * time.Hour) }
	long := b.signed(t, alices, lasting)
	check := func(what string, want error) {
		t.Helper()
		if _, err := b.OwnSessions(t.Context(), b.by(home()), long); err != want { //nolint:errorlint // bare, as every refusal
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	b.clock.pass(time.Hour - time.Millisecond)
	check("a session at its last moment", nil)
	b.clock.pass(time.Millisecond)
	check("a session at its absolute end", authority.ErrBearer)
}

// TestASessionOfAnotherClientIsNotTheBearersSession, whatever the token says whose it is.
func TestASessionOfAnotherClientIsNotTheBearersSession(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	b.calls.disguise = "stranger"
	for _, of := range []string{client.FirstParty, "stranger"} {
		_, err := b.OwnSessions(t.Context(), b.by(home()), b.signed(t, tokens, func(c *token.Claims) { c.ClientID = of }))
		wantError(t, err, authority.ErrBearer)
	}
}

// TestABearerOfAnEndedSessionIsRefused, in whatever way it ended.
func TestABearerOfAnEndedSessionIsRefused(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, b *bench, tokens authority.Tokens) error{
		"revoked": func(t *testing.T, b *bench, tokens authority.Tokens) error {
			return b.Logout(t.Context(), b.by(home()), pairOf(tokens))
		},
		"user disabled": func(t *testing.T, b *bench, tokens authority.Tokens) error {
			return b.store.DisableUser(t.Context(), b.standing(t, tokens).UserID, audit.New(audit.UserDisabled, audit.ByOperator("root")))
		},
		"client disabled": func(t *testing.T, b *bench, _ authority.Tokens) error {
			return b.store.DisableClient(t.Context(), client.FirstParty, audit.New(audit.ClientDisabled, audit.ByOperator("root")))
		},
	} {
		b := newBench(t, nil)
		tokens := b.login(t, "alice")
		wantError(t, end(t, b, tokens), nil)
		if _, err := b.OwnSessions(t.Context(), b.by(home()), tokens.AccessToken); err != authority.ErrBearer { //nolint:errorlint // bare, as every refusal
			t.Errorf("%s: %v, want %v", name, err, authority.ErrBearer)
		}
	}
}

// TestABearerUnderARevokedKeyIsRefused: a thief of the key can sign any token. A pair is
// accepted: its refresh token proves the caller.
func TestABearerUnderARevokedKeyIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	if err := b.Keys.Maintain(t.Context()); err != nil { // which makes a standby
		t.Fatal(err)
	}
	b.clock.pass(49 * time.Hour)
	tokens := b.login(t, "alice")
	b.own(t, tokens)
	signer, err := b.Keys.Signer(b.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	order := keyring.Order{
		By: audit.ByOperator("root"), Why: "stolen", Confirm: func(keyring.Switch) error { return nil },
		Waiting: func(_ keyring.Switch, wait time.Duration) { t.Errorf("a ripe standby is waited for: %v", wait) },
	}
	if _, err := b.Keys.Revoke(t.Context(), signer.KID(), time.Hour, order); err != nil {
		t.Fatal(err)
	}
	b.clock.poll()
	_, err = b.OwnSessions(t.Context(), b.by(home()), tokens.AccessToken)
	wantError(t, err, authority.ErrBearer)
	b.own(t, b.refresh(t, tokens, session.Rotated))
}

// TestTheClientIsLookedAtFirst: while it is off, nobody learns whether a token is one,
// no password is looked at, and no store is asked.
func TestTheClientIsLookedAtFirst(t *testing.T) {
	t.Parallel()
	off := newBench(t, nil)
	tokens := off.login(t, "alice")
	off.change = func(c *client.Client) { c.DisabledAt = begin() }
	off = off.restart(t, firstRoot)
	for _, pair := range []authority.Pair{pairOf(tokens), {AccessToken: "garbage", RefreshToken: "garbage"}} {
		for verb, present := range off.verbs(t) {
			if err := present(pair); err != authority.ErrClient { //nolint:errorlint // bare, as every refusal
				t.Errorf("%s: %v, want %v", verb, err, authority.ErrClient)
			}
		}
		_, err := off.OwnSessions(t.Context(), off.by(home()), pair.AccessToken)
		wantError(t, err, authority.ErrClient)
	}
	for _, try := range []string{password, "wrong"} {
		_, err := off.Login(t.Context(), off.by(home()), "alice", try)
		wantError(t, err, authority.ErrClient)
	}
	_, err := off.Authenticate(t.Context(), client.Credentials{ClientID: client.FirstParty, Method: client.MethodNone}, home())
	wantError(t, err, authority.ErrClient)
	if off.calls.reads+off.calls.changes > 0 {
		t.Errorf("%d reads and %d changes, want none", off.calls.reads, off.calls.changes)
	}
}

// TestTheTokensClientIsLookedAtBeforeTheState: to a stranger a token of another client is
// worth nothing, whatever it would be worth to its own, and no state is read for it.
func TestTheTokensClientIsLookedAtBeforeTheState(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	b.calls.reads, b.calls.changes = 0, 0
	_, err := b.Refresh(t.Context(), b.as(stranger(), thief()), tokens.RefreshToken)
	wantError(t, err, authority.ErrGrant)
	wantError(t, b.Revoke(t.Context(), b.as(stranger(), thief()), tokens.RefreshToken), nil)
	if b.calls.reads != 2 || b.calls.changes != 0 {
		t.Errorf("%d reads and %d changes, want one reading of the session each", b.calls.reads, b.calls.changes)
	}
	if len(b.counted) != 1 || len(b.events(t, tokens)) != 1 {
		t.Errorf("counted %v, and %d events, want those of the login alone", b.counted, len(b.events(t, tokens)))
	}
}

// TestAPairOfTwoSessionsIsRefused: also of two sessions of one user, for every verb, and no
// state is read for it.
func TestAPairOfTwoSessionsIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	mine, other := b.login(t, "alice"), b.login(t, "alice")
	mixed := authority.Pair{AccessToken: other.AccessToken, RefreshToken: mine.RefreshToken}
	for verb, present := range b.verbs(t) {
		if verb == "refresh" || verb == "revoke" {
			continue
		}
		b.calls.reads, b.calls.changes = 0, 0
		if err := present(mixed); err != authority.ErrGrant || b.calls.reads != 1 || b.calls.changes != 0 { //nolint:errorlint // bare, as every refusal
			t.Errorf("%s: %v with %d reads and %d changes, want %v after one reading of the session", verb, err, b.calls.reads, b.calls.changes, authority.ErrGrant)
		}
	}
}

// TestAPairMayBeExpiredButMustBeOurs: the access token of a pair, for every verb that takes
// one; text that is not a token reaches no store.
func TestAPairMayBeExpiredButMustBeOurs(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	b.clock.pass(time.Hour)
	next := b.refresh(t, tokens, session.Rotated) // whose access token has expired long ago
	for name, access := range map[string]string{
		"another issuer": b.signed(t, next, func(c *token.Claims) { c.Issuer = "https://elsewhere.example.com" }),
		"another key":    next.AccessToken[:strings.LastIndex(next.AccessToken, ".")+1] + strings.Repeat("A", 342),
	} {
		b.calls.reads = 0
		_, err := b.RefreshPair(t.Context(), b.by(home()), authority.Pair{AccessToken: access, RefreshToken: next.RefreshToken})
		wantError(t, err, authority.ErrGrant)
		if b.calls.reads > 0 {
			t.Errorf("%s: %d reads", name, b.calls.reads)
		}
	}
}

// TestAnAccessTokenIsNotRevoked, not even by mistake, and not looked up either.
func TestAnAccessTokenIsNotRevoked(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	b.calls.reads = 0
	wantError(t, b.Revoke(t.Context(), b.by(home()), tokens.AccessToken), authority.ErrAccessToken)
	wantError(t, b.Revoke(t.Context(), b.by(home()), "unknown"), nil)
	if b.calls.reads > 0 {
		t.Errorf("%d reads", b.calls.reads)
	}
	b.refresh(t, tokens, session.Rotated)
}

// TestEachVerbReadsNothingTwice: the calls of each verb, in their order.
func TestEachVerbReadsNothingTwice(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"log in":       {"UserByLogin", "Take login:alice@192.0.2.7/32", "Sessions", "StartSession"},
		"refresh pair": {"StandingByFamily", "UpdateState"},
		"refresh":      {"StandingByFamily", "UpdateState"},
		"replay":       {"StandingByFamily", "UpdateState", "RevokeSession"},
		"log out":      {"StandingByFamily", "RevokeSession"},
		"revoke":       {"StandingByFamily", "RevokeSession"},
		"end its own":  {"StandingByFamily", "UpdateState", "StandingByID", "RevokeSession"},
		"end one":      {"StandingByFamily", "UpdateState", "StandingByID", "RevokeOther"},
		"end others":   {"StandingByFamily", "UpdateState", "RevokeOthers"},
		"list":         {"StandingByID", "Sessions"},
		"register":     {"CreateUser"},
	} {
		b := newBench(t, nil)
		d := deeds()[name](t, b)
		if calls := b.callsOf(func() { wantError(t, d.do(t.Context()), d.want) }); !slices.Equal(calls, want) {
			t.Errorf("%s calls %v, want %v", name, calls, want)
		}
	}
}

// TestAVerdictThatNeedsNoStateReadsNone: one reading of the session is enough for a client
// whose tokens don't rotate, and for a session that is over.
func TestAVerdictThatNeedsNoStateReadsNone(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *client.Client) { c.Rotation = client.RotateNever })
	tokens := b.login(t, "alice")
	want := []string{"StandingByFamily"}
	if calls := b.callsOf(func() { b.refresh(t, tokens, session.Renewed) }); !slices.Equal(calls, want) {
		t.Errorf("a renewal calls %v, want %v", calls, want)
	}
	wantError(t, b.Logout(t.Context(), b.by(home()), pairOf(tokens)), nil)
	if calls := b.callsOf(func() { b.refused(t, tokens, session.Revoked) }); !slices.Equal(calls, want) {
		t.Errorf("a refusal calls %v, want %v", calls, want)
	}
}
