package authority_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// own lists the sessions behind the tokens; it must be granted.
func (b *bench) own(t *testing.T, tokens authority.Tokens) []authority.OwnSession {
	t.Helper()
	listed, err := b.OwnSessions(t.Context(), b.by(home()), tokens.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	return listed
}

func (b *bench) ids(t *testing.T, tokens ...authority.Tokens) []string {
	t.Helper()
	var ids []string
	for _, one := range tokens {
		ids = append(ids, b.standing(t, one).ID)
	}
	return ids
}

func idsOf(listed []authority.OwnSession) []string {
	var ids []string
	for _, s := range listed {
		ids = append(ids, s.ID)
	}
	return ids
}

func TestAUserSeesTheirLiveSessionsNewestFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	first := b.login(t, "alice")
	b.clock.pass(time.Minute)
	ended, second := b.login(t, "alice"), b.login(t, "alice")
	b.login(t, "bob")
	wantError(t, b.Logout(t.Context(), b.by(home()), pairOf(ended)), nil)
	listed := b.own(t, first)
	if diff := cmp.Diff(idsOf(listed), b.ids(t, second, first)); diff != "" {
		t.Fatalf("sessions (-got +want):\n%s", diff)
	}
	want := authority.OwnSession{
		ID: b.ids(t, first)[0], ClientID: client.FirstParty, CreatedAt: begin(), LastSeenAt: begin(),
		Address: home().Address, UserAgent: home().UserAgent, Current: true,
	}
	if diff := cmp.Diff(listed[1], want); diff != "" || listed[0].Current {
		t.Errorf("session (-got +want):\n%s; the other is current: %v", diff, listed[0].Current)
	}
}

func TestAListingIsBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	var tokens authority.Tokens
	for range 103 {
		tokens = b.login(t, "alice")
	}
	if listed := b.own(t, tokens); len(listed) != 100 || !listed[0].Current {
		t.Errorf("%d sessions, want 100 with the newest first", len(listed))
	}
}

// TestASessionThatNobodyCanRefreshIsNotListed: its tokens are past their idle
// lifetime, though the row is not past its absolute one.
func TestASessionThatNobodyCanRefreshIsNotListed(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	used, forgotten := b.login(t, "alice"), b.login(t, "alice")
	b.clock.pass(idle - time.Hour)
	used = b.refresh(t, used, session.Rotated)
	if err := b.Checkpoints.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(idsOf(b.own(t, used)), b.ids(t, forgotten, used)); diff != "" {
		t.Errorf("sessions (-got +want):\n%s", diff)
	}
	b.clock.pass(4 * time.Hour)
	used = b.refresh(t, used, session.Rotated)
	if diff := cmp.Diff(idsOf(b.own(t, used)), b.ids(t, used)); diff != "" {
		t.Errorf("sessions later (-got +want):\n%s", diff)
	}
}

// TestLapsedSessionsCrowdOutNoLiveOne: an old session in use is behind many pages
// of newer ones that nobody uses any more.
func TestLapsedSessionsCrowdOutNoLiveOne(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	used := b.login(t, "alice")
	for range 201 {
		b.login(t, "alice")
	}
	b.clock.pass(idle - time.Hour)
	used = b.refresh(t, used, session.Rotated)
	if err := b.Checkpoints.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.clock.pass(4 * time.Hour)
	used = b.refresh(t, used, session.Rotated)
	if diff := cmp.Diff(idsOf(b.own(t, used)), b.ids(t, used)); diff != "" {
		t.Errorf("sessions (-got +want):\n%s", diff)
	}
}

func TestSessionsAreListedForALiveAccessTokenOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	b.clock.pass(ttl - time.Second)
	b.own(t, tokens)

	other := authority.New(b.Config)
	other.Audience = "https://elsewhere.example.com"
	foreign, err := other.Login(t.Context(), b.by(home()), "alice", password)
	if err != nil {
		t.Fatal(err)
	}
	ended := b.login(t, "alice")
	wantError(t, b.Logout(t.Context(), b.by(home()), pairOf(ended)), nil)
	b.calls.reads = 0
	for name, raw := range map[string]string{
		"none": "", "garbage": "a.b.c", "a refresh token": tokens.RefreshToken, "another audience": foreign.AccessToken,
		"a changed one": tokens.AccessToken[:len(tokens.AccessToken)-8] + "AAAAAAAA", "spaces": " " + tokens.AccessToken,
		"without a signature": tokens.AccessToken[:strings.LastIndex(tokens.AccessToken, ".")+1],
	} {
		if _, err := b.OwnSessions(t.Context(), b.by(home()), raw); err != authority.ErrBearer { //nolint:errorlint // bare, as every refusal
			t.Errorf("%s: %v, want %v", name, err, authority.ErrBearer)
		}
	}
	if b.calls.reads > 0 {
		t.Errorf("%d reads for tokens that are none of ours", b.calls.reads)
	}
	_, err = b.OwnSessions(t.Context(), b.by(home()), ended.AccessToken)
	wantError(t, err, authority.ErrBearer)
	b.clock.pass(time.Second)
	_, err = b.OwnSessions(t.Context(), b.by(home()), tokens.AccessToken)
	wantError(t, err, authority.ErrBearer)
}

func TestAUserEndsASessionOfTheirs(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	mine, lost, bobs := b.login(t, "alice"), b.login(t, "alice"), b.login(t, "bob")
	end := func(id string) error { return b.EndSession(t.Context(), b.by(home()), pairOf(mine), id) }
	for _, id := range append(b.ids(t, bobs), "", "garbage", "019a8c3e-7b1f-7c52-9d0e-3f6a5b8c1d42", strings.ToUpper(b.ids(t, lost)[0])) {
		wantError(t, end(id), authority.ErrSession)
	}
	for range 2 { // it may be said twice
		wantError(t, end(b.ids(t, lost)[0]), nil)
	}
	b.refused(t, lost, session.Revoked)
	if s := b.standing(t, lost); s.RevokeReason != session.ReasonElsewhere {
		t.Errorf("ended by %q, want %q", s.RevokeReason, session.ReasonElsewhere)
	}
	events := b.events(t, lost)
	if len(events) != 3 || events[1].Kind != audit.SessionRevoked || events[1].Detail["by_session"] != b.ids(t, mine)[0] {
		t.Errorf("events %+v, want one that tells which session ended it", events)
	}
	b.refresh(t, bobs, session.Rotated)
	if got := b.state(t, mine); got != (session.State{}) {
		t.Errorf("the pair was rotated: %+v", got)
	}
	wantError(t, end(b.ids(t, mine)[0]), nil)
	b.refused(t, mine, session.Revoked)
	if s := b.standing(t, mine); s.RevokeReason != session.ReasonLogout {
		t.Errorf("ended by %q, want %q", s.RevokeReason, session.ReasonLogout)
	}
}

func TestAUserEndsAllOtherSessions(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	mine := b.login(t, "alice")
	others := []authority.Tokens{b.login(t, "alice"), b.login(t, "alice")}
	bobs := b.login(t, "bob")
	wantError(t, b.EndOtherSessions(t.Context(), b.by(home()), pairOf(mine)), nil)
	for _, other := range others {
		b.refused(t, other, session.Revoked)
	}
	if diff := cmp.Diff(idsOf(b.own(t, mine)), b.ids(t, mine)); diff != "" {
		t.Errorf("left (-got +want):\n%s", diff)
	}
	b.refresh(t, mine, session.Rotated)
	b.refresh(t, bobs, session.Rotated)
}

// TestADeadPairEndsNothing: neither a session of the user nor its own.
func TestADeadPairEndsNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		die     func(t *testing.T, b *bench, mine authority.Tokens)
		verdict session.Verdict
	}{
		"revoked": {func(t *testing.T, b *bench, mine authority.Tokens) {
			wantError(t, b.Logout(t.Context(), b.by(home()), pairOf(mine)), nil)
		}, session.Revoked},
		"expired": {func(_ *testing.T, b *bench, _ authority.Tokens) { b.clock.pass(idle) }, session.Expired},
		"used": {func(t *testing.T, b *bench, mine authority.Tokens) {
			b.refresh(t, b.refresh(t, mine, session.Rotated), session.Rotated)
		}, session.Replayed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			mine, other := b.login(t, "alice"), b.login(t, "alice")
			c.die(t, b, mine)
			before := []session.Standing{b.standing(t, mine), b.standing(t, other)}
			state := b.state(t, mine)
			b.calls.changes = 0
			wantError(t, b.EndOtherSessions(t.Context(), b.by(thief()), pairOf(mine)), authority.ErrGrant)
			for _, id := range b.ids(t, mine, other) {
				wantError(t, b.EndSession(t.Context(), b.by(thief()), pairOf(mine), id), authority.ErrGrant)
			}
			after := []session.Standing{b.standing(t, mine), b.standing(t, other)}
			if diff := cmp.Diff(after, before); diff != "" || b.calls.changes > 0 || b.state(t, mine) != state {
				t.Errorf("%d changes; sessions (-got +want):\n%s", b.calls.changes, diff)
			}
			last := lastEvent(t, b, mine)
			if last.Kind != audit.SessionRefused || last.Detail["verdict"] != c.verdict.String() || last.Address != thief().Address {
				t.Errorf("the last event is %+v", last)
			}
		})
	}
}

// TestATokenWithinItsGraceStillEndsOthers: what would be granted at refresh is as
// good here, and is not used up.
func TestATokenWithinItsGraceStillEndsOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	mine := b.login(t, "alice")
	next := b.refresh(t, mine, session.Rotated)
	b.clock.pass(grace - time.Second)
	before := b.state(t, mine)
	wantError(t, b.EndOtherSessions(t.Context(), b.by(home()), pairOf(mine)), nil)
	if got := b.state(t, mine); got != before {
		t.Errorf("state %+v, want %+v", got, before)
	}
	b.clock.pass(time.Hour)
	if ids := b.ids(t, b.refresh(t, next, session.Rotated)); !slices.Equal(ids, b.ids(t, mine)) {
		t.Errorf("session %v", ids)
	}
}

// overtaken is a store where the session that ends another is ended just before.
type overtaken struct {
	session.Store
}

func (o overtaken) RevokeOther(ctx context.Context, id, by, reason string, event audit.Event) (session.Ended, error) {
	if _, err := o.RevokeSession(ctx, by, session.ReasonElsewhere, audit.New(audit.SessionRevoked, audit.ByUser("alice"))); err != nil {
		return session.Ended{}, err
	}
	return o.Store.RevokeOther(ctx, id, by, reason, event)
}

func TestASessionThatHasJustBeenEndedEndsNoOther(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	mine, other := b.login(t, "alice"), b.login(t, "alice")
	config := b.Config
	config.Sessions = overtaken{b.store}
	wantError(t, authority.New(config).EndSession(t.Context(), b.by(home()), pairOf(mine), b.ids(t, other)[0]), authority.ErrGrant)
	b.refresh(t, other, session.Rotated)
}
