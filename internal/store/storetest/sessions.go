package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// Sessions is the contract of [session.Store].
func Sessions(t *testing.T, open OpenDurable) {
	keep(t, open, map[string]durableRule{
		"AStartedSessionComesBack":              startedSessionComesBack,
		"ASessionSaysNothingByDefault":          sessionOfDefaultsComesBack,
		"TheStandingSaysWhatARefreshNeeds":      standingSaysAll,
		"AHostileUserAgentIsKeptHarmless":       hostileUserAgentIsKept,
		"AUserWhoChangedStartsNoSession":        changedUserStartsNoSession,
		"ASessionThatIsNotAllowedIsNotStarted":  sessionNotAllowedIsNotStarted,
		"AFamilyAndAnIDStartOnce":               familyAndIDStartOnce,
		"ARevocationIsForGood":                  revocationIsForGood,
		"ARevocationSaysWhatItStored":           revocationSaysWhatItStored,
		"UnknownSessionsAreNotFound":            unknownSessionsAreNotFound,
		"SessionsAreListedNewestFirst":          sessionsAreListedNewestFirst,
		"UnendedSessionsAreOfOneUserAndClient":  unendedSessionsAreOfOneUserAndClient,
		"LiveOnlyLeavesOutTheRevokedAndExpired": liveOnlyLeavesOut,
		"ACheckpointOnlyRises":                  checkpointOnlyRises,
		"ACheckpointIsWrittenOncePerInterval":   checkpointOncePerInterval,
		"NoSessionSurvivesARaceWithSetPassword": noSessionSurvivesSetPassword,
		"OneOfManyRevokes":                      oneOfManyRevokes,
		"RevokeOtherNeedsALiveSession":          revokeOtherNeedsALiveSession,
		"OfTwoThatEndEachOtherOneIsLeft":        oneOfTwoIsLeft,
		"OfEachTwoOfManyOneIsLeft":              oneOfEachTwoIsLeft,
		"RevokeOthersKeepsOne":                  revokeOthersKeepsOne,
		"RevokeOthersNeedsALiveSession":         revokeOthersNeedsALiveSession,
		"OfManyThatRevokeOthersOneIsLeft":       oneIsLeft,
		"RevokeAllEndsEverySession":             revokeAllEndsEverySession,
		"NoSessionSurvivesARaceWithRevokeAll":   noSessionSurvivesRevokeAll,
		"CheckpointsAndSetPasswordAllFinish":    checkpointsMeetSetPassword,
		"CheckpointsAndDisableClientAllFinish":  checkpointsMeetDisableClient,
		"ACancelledContextIsAnError":            cancelledSessionCalls,
	})
}

func startedSessionComesBack(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	want := newSession(alice.ID)
	want.AuthTime = time.Now().Add(-time.Hour).UTC().Truncate(time.Microsecond)
	want.Scope, want.Resources = "read write", []string{"https://a.example", "https://b.example/?x=\"1\""}
	want.ACR, want.AMR, want.JKT = "2", []string{"pwd", "otp"}, bytes.Repeat([]byte{0xfe}, 32)
	lifetime := 180*24*time.Hour + 123456*time.Microsecond
	started, err := store.StartSession(t.Context(), want, session.Terms{Lifetime: lifetime, Seen: alice.SessionsValidAfter}, aboutSession(audit.SessionStarted, want.ID))
	if err != nil {
		t.Fatal(err)
	}
	wantDatabaseTime(t, "CreatedAt", started.CreatedAt)
	want.CreatedAt, want.LastSeenAt, want.AbsoluteExpiry = started.CreatedAt, started.CreatedAt, started.CreatedAt.Add(lifetime)
	want.Checkpoint, want.StatusIndex = 1, started.StatusIndex
	if started.StatusIndex == nil {
		t.Fatal("it has no status index")
	}
	if diff := cmp.Diff(started, want); diff != "" {
		t.Errorf("started (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(findSession(t, store, want.ID), want); diff != "" {
		t.Errorf("by id (-got +want):\n%s", diff)
	}
	wantEvents(t, store, audit.Query{SessionID: want.ID}, audit.SessionStarted)
}

// sessionOfDefaultsComesBack: what a session does not say has the one zero value, and its
// user authenticated when it was started. So a session of an earlier version reads.
func sessionOfDefaultsComesBack(t *testing.T, store Durable) {
	started := startSession(t, store, createUser(t, store, "alice").ID)
	if !started.AuthTime.Equal(started.CreatedAt) || started.Scope != "" || started.Resources != nil || started.AMR != nil || started.JKT != nil {
		t.Errorf("started as %+v", started)
	}
	standing, err := store.StandingByFamily(t.Context(), started.Family)
	if diff := cmp.Diff(standing.Session, started); diff != "" || err != nil {
		t.Errorf("%v (-got +want):\n%s", err, diff)
	}
}

func standingSaysAll(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	s := startSession(t, store, alice.ID)
	got, err := store.StandingByFamily(t.Context(), s.Family)
	if err != nil {
		t.Fatal(err)
	}
	wantDatabaseTime(t, "Now", got.Now)
	want := session.Standing{
		Session: s, Username: "alice", UserActive: true, ClientEnabled: true,
		SessionsValidAfter: alice.SessionsValidAfter, Now: got.Now,
	}
	if diff := cmp.Diff(got, want); diff != "" || got.Now.Before(s.CreatedAt) {
		t.Errorf("standing (-got +want):\n%s", diff)
	}
	byID, err := store.StandingByID(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	want.Now = byID.Now
	if diff := cmp.Diff(byID, want); diff != "" || byID.Now.Before(got.Now) {
		t.Errorf("standing by id (-got +want):\n%s", diff)
	}
}

func hostileUserAgentIsKept(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	x := newSession(alice.ID)
	x.UserAgent, x.Address = "a\x00b\xff"+strings.Repeat("\u20ac", 200), "fe80::1%\x00"
	s, err := store.StartSession(t.Context(), x, session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter}, aboutSession(audit.SessionStarted, x.ID))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(findSession(t, store, x.ID), s); diff != "" {
		t.Errorf("session (-got +want):\n%s", diff)
	}
	if !strings.HasPrefix(s.UserAgent, "a\uFFFDb\uFFFD\u20ac") || len(s.UserAgent) > 256 {
		t.Errorf("user agent %q", s.UserAgent)
	}
}

func changedUserStartsNoSession(t *testing.T, store Durable) {
	alice, bob, carol := createUser(t, store, "alice"), createUser(t, store, "bob"), createUser(t, store, "carol")
	if err := store.DisableUser(t.Context(), bob.ID, about(audit.UserDisabled, bob.ID)); err != nil {
		t.Fatal(err)
	}
	if err := store.DeleteUser(t.Context(), carol.ID, about(audit.UserDeleted, carol.ID)); err != nil {
		t.Fatal(err)
	}
	unknown := newSession(alice.ID)
	unknown.ClientID = "unknown"
	for doing, c := range map[string]struct {
		session.Session
		seen time.Time
	}{
		"an older boundary": {newSession(alice.ID), alice.SessionsValidAfter.Add(-time.Microsecond)},
		"a newer boundary":  {newSession(alice.ID), alice.SessionsValidAfter.Add(time.Microsecond)},
		"no boundary":       {newSession(alice.ID), time.Time{}},
		"a disabled user":   {newSession(bob.ID), findUser(t, store, bob.ID).SessionsValidAfter},
		"a deleted user":    {newSession(carol.ID), findUser(t, store, carol.ID).SessionsValidAfter},
		"an unknown user":   {newSession(unknownID), alice.SessionsValidAfter},
		"no user":           {newSession("garbage"), alice.SessionsValidAfter},
		"an unknown client": {unknown, alice.SessionsValidAfter},
	} {
		err := drop(store.StartSession(t.Context(), c.Session, session.Terms{Lifetime: time.Hour, Seen: c.seen}, aboutSession(audit.SessionStarted, c.ID)))
		wantError(t, doing, err, session.ErrUserChanged)
		wantError(t, doing, drop(store.SessionByID(t.Context(), c.ID)), session.ErrNotFound)
		wantEvents(t, store, audit.Query{SessionID: c.ID})
	}
}

// sessionNotAllowedIsNotStarted: whoever is asked hears the time that the session will
// begin at, and nothing is left of one that was refused.
func sessionNotAllowedIsNotStarted(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	refused, allowed := newSession(alice.ID), newSession(alice.ID)
	not := errors.New("not now")
	terms := session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter, Allow: func(time.Time) error { return not }}
	wantError(t, "start", drop(store.StartSession(t.Context(), refused, terms, aboutSession(audit.SessionStarted, refused.ID))), not)
	wantError(t, "find", drop(store.SessionByID(t.Context(), refused.ID)), session.ErrNotFound)
	wantEvents(t, store, audit.Query{SessionID: refused.ID})

	var asked []time.Time
	terms.Allow = func(start time.Time) error {
		asked = append(asked, start)
		return nil
	}
	started, err := store.StartSession(t.Context(), allowed, terms, aboutSession(audit.SessionStarted, allowed.ID))
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) != 1 || asked[0] != started.CreatedAt {
		t.Errorf("asked about %v, want once about %v", asked, started.CreatedAt)
	}
}

func familyAndIDStartOnce(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	first := startSession(t, store, alice.ID)
	sameID, sameFamily := newSession(alice.ID), newSession(alice.ID)
	sameID.ID, sameFamily.Family = first.ID, first.Family
	for _, x := range []session.Session{sameID, sameFamily} {
		if _, err := store.StartSession(t.Context(), x, session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter}, about("x", alice.ID)); err == nil {
			t.Error("a second session started under the same id or family")
		}
	}
	if diff := cmp.Diff(findSession(t, store, first.ID), first); diff != "" {
		t.Errorf("the first session (-got +want):\n%s", diff)
	}
}

func revocationIsForGood(t *testing.T, store Durable) {
	s := startSession(t, store, createUser(t, store, "alice").ID)
	var first session.Session
	for i, reason := range []string{session.ReasonReplay, session.ReasonLogout, session.ReasonReplay} {
		if err := drop(store.RevokeSession(t.Context(), s.ID, reason, aboutSession(audit.SessionRevoked, s.ID))); err != nil {
			t.Fatal(err)
		}
		wantEnded(t, store, s, session.ReasonReplay)
		got := findSession(t, store, s.ID)
		if i == 0 {
			first = got
		}
		if diff := cmp.Diff(got, first); diff != "" {
			t.Errorf("revoked again (-got +want):\n%s", diff)
		}
	}
	wantEvents(t, store, audit.Query{SessionID: s.ID}, audit.SessionStarted, audit.SessionRevoked)
}

func unknownSessionsAreNotFound(t *testing.T, store Durable) {
	s := startSession(t, store, createUser(t, store, "alice").ID)
	for _, id := range append(notIDs, unknownID, strings.ToUpper(s.ID)) {
		wantError(t, fmt.Sprintf("find %q", id), drop(store.SessionByID(t.Context(), id)), session.ErrNotFound)
		wantError(t, fmt.Sprintf("standing of %q", id), drop(store.StandingByID(t.Context(), id)), session.ErrNotFound)
		err := drop(store.RevokeSession(t.Context(), id, session.ReasonLogout, aboutSession(audit.SessionRevoked, unknownID)))
		wantError(t, fmt.Sprintf("revoke %q", id), err, session.ErrNotFound)
	}
	wantError(t, "family", drop(store.StandingByFamily(t.Context(), session.FamilyHash{})), session.ErrNotFound)
	wantEvents(t, store, audit.Query{SessionID: unknownID})
	wantLive(t, store, s)
}

func sessionsAreListedNewestFirst(t *testing.T, store Durable) {
	alice, bob := createUser(t, store, "alice"), createUser(t, store, "bob")
	var everybodys, alices []session.Session
	for i := range 10 {
		owner := alice
		if i%3 == 0 {
			owner = bob
		}
		s := startSession(t, store, owner.ID)
		everybodys = append(everybodys, s)
		if owner.ID == alice.ID {
			alices = append(alices, s)
		}
	}
	slices.Reverse(everybodys)
	slices.Reverse(alices)
	for _, limit := range []int{1, 3, 10, 1000} {
		for userID, want := range map[string][]session.Session{"": everybodys, alice.ID: alices} {
			var got []session.Session
			for after := ""; ; after = got[len(got)-1].ID {
				page := listSessions(t, store, session.Query{UserID: userID, After: after, Limit: limit})
				if len(page) == 0 {
					break
				}
				if len(page) > limit {
					t.Fatalf("a page of %d holds %d", limit, len(page))
				}
				got = append(got, page...)
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("user %q in pages of %d (-got +want):\n%s", userID, limit, diff)
			}
		}
	}
	for _, id := range notIDs[1:] {
		if page := listSessions(t, store, session.Query{After: id, Limit: 9}); len(page) > 0 {
			t.Errorf("after %q: %d sessions, want none", id, len(page))
		}
		if page := listSessions(t, store, session.Query{UserID: id, Limit: 9}); len(page) > 0 {
			t.Errorf("of user %q: %d sessions, want none", id, len(page))
		}
	}
}

func listSessions(tb testing.TB, store Durable, query session.Query) []session.Session {
	tb.Helper()
	page, err := store.Sessions(tb.Context(), query)
	if err != nil {
		tb.Fatalf("list sessions: %v", err)
	}
	return page
}

func liveOnlyLeavesOut(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	live, revoked, expired := startSession(t, store, alice.ID), startSession(t, store, alice.ID), newSession(alice.ID)
	if err := drop(store.RevokeSession(t.Context(), revoked.ID, session.ReasonLogout, aboutSession(audit.SessionRevoked, revoked.ID))); err != nil {
		t.Fatal(err)
	}
	err := drop(store.StartSession(t.Context(), expired, session.Terms{Lifetime: 0, Seen: alice.SessionsValidAfter}, aboutSession(audit.SessionStarted, expired.ID)))
	if err != nil {
		t.Fatal(err)
	}
	got := listSessions(t, store, session.Query{UserID: alice.ID, Live: session.LiveOnly, Limit: 9})
	if diff := cmp.Diff(got, []session.Session{live}); diff != "" {
		t.Errorf("live sessions (-got +want):\n%s", diff)
	}
	if all := listSessions(t, store, session.Query{UserID: alice.ID, Limit: 9}); len(all) != 3 {
		t.Errorf("%d sessions, want 3", len(all))
	}
}

func noSessionSurvivesSetPassword(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	outcomes := contend(t, func(ctx context.Context, i int) error {
		if i == contenders/2 {
			return store.SetPassword(ctx, alice.ID, "new hash", about(audit.UserPasswordChanged, alice.ID))
		}
		x := newSession(alice.ID)
		return drop(store.StartSession(ctx, x, session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter}, aboutSession(audit.SessionStarted, x.ID)))
	})
	started := 0
	for i, err := range outcomes {
		switch {
		case err == nil && i != contenders/2:
			started++
		case err != nil && !errors.Is(err, session.ErrUserChanged):
			t.Errorf("contender %d: %v", i, err)
		}
	}
	wantNoLiveSession(t, store, alice.ID)
	if all := listSessions(t, store, session.Query{UserID: alice.ID, Limit: 1000}); len(all) != started {
		t.Errorf("%d sessions are stored, %d were started", len(all), started)
	}
}

func oneOfManyRevokes(t *testing.T, store Durable) {
	s := startSession(t, store, createUser(t, store, "alice").ID)
	wantNoErrors(t, contend(t, func(ctx context.Context, _ int) error {
		return drop(store.RevokeSession(ctx, s.ID, session.ReasonReplay, aboutSession(audit.SessionReplayed, s.ID)))
	}))
	wantEnded(t, store, s, session.ReasonReplay)
	wantEvents(t, store, audit.Query{SessionID: s.ID}, audit.SessionStarted, audit.SessionReplayed)
}

func cancelledSessionCalls(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	s, by, x := startSession(t, store, alice.ID), startSession(t, store, alice.ID), newSession(alice.ID)
	wantCancelled(t, map[string]func(context.Context) error{
		"StartSession": func(ctx context.Context) error {
			return drop(store.StartSession(ctx, x, session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter}, about("x", alice.ID)))
		},
		"StandingByFamily": func(ctx context.Context) error { return drop(store.StandingByFamily(ctx, s.Family)) },
		"StandingByID":     func(ctx context.Context) error { return drop(store.StandingByID(ctx, s.ID)) },
		"SessionByID":      func(ctx context.Context) error { return drop(store.SessionByID(ctx, s.ID)) },
		"Sessions":         func(ctx context.Context) error { return drop(store.Sessions(ctx, session.Query{Limit: 1})) },
		"RevokeSession": func(ctx context.Context) error {
			return drop(store.RevokeSession(ctx, s.ID, "x", about("x", alice.ID)))
		},
		"RevokeOther": func(ctx context.Context) error {
			return drop(store.RevokeOther(ctx, s.ID, by.ID, "x", about("x", alice.ID)))
		},
		"RevokeOthers": func(ctx context.Context) error {
			return drop(store.RevokeOthers(ctx, alice.ID, s.ID, "x", about("x", alice.ID)))
		},
		"RevokeAll": func(ctx context.Context) error { return store.RevokeAll(ctx, alice.ID, "x", about("x", alice.ID)) },
		"SaveCheckpoints": func(ctx context.Context) error {
			return store.SaveCheckpoints(ctx, []session.Checkpoint{{SessionID: s.ID, Generation: 9}}, 0)
		},
	})
	if diff := cmp.Diff(listSessions(t, store, session.Query{Limit: 9}), []session.Session{by, s}); diff != "" {
		t.Errorf("sessions after (-got +want):\n%s", diff)
	}
}
