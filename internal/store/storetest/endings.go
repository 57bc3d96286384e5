package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

func revokeOtherNeedsALiveSession(t *testing.T, store Durable) {
	alice, bob := createUser(t, store, "alice"), createUser(t, store, "bob")
	target, by, ended := startSession(t, store, alice.ID), startSession(t, store, alice.ID), startSession(t, store, alice.ID)
	bobs := startSession(t, store, bob.ID)
	if err := drop(store.RevokeSession(t.Context(), ended.ID, session.ReasonReplay, aboutSession(audit.SessionReplayed, ended.ID))); err != nil {
		t.Fatal(err)
	}
	revoke := func(id, by string) error {
		return drop(store.RevokeOther(t.Context(), id, by, session.ReasonElsewhere, aboutSession(audit.SessionRevoked, id)))
	}
	for _, id := range append(notIDs, unknownID, strings.ToUpper(by.ID), ended.ID, bobs.ID, target.ID) {
		wantError(t, "by "+id, revoke(target.ID, id), session.ErrNotFound)
	}
	for _, id := range append(notIDs, unknownID, bobs.ID) {
		wantError(t, "end "+id, revoke(id, by.ID), session.ErrNotFound)
	}
	wantLive(t, store, target)
	wantLive(t, store, bobs)
	for range 2 { // it may be said twice
		wantError(t, "end the other", revoke(target.ID, by.ID), nil)
	}
	wantEnded(t, store, target, session.ReasonElsewhere)
	wantEvents(t, store, audit.Query{SessionID: target.ID}, audit.SessionStarted, audit.SessionRevoked)
	wantLive(t, store, by)
	wantError(t, "end what had ended", revoke(ended.ID, by.ID), nil)
	wantEnded(t, store, ended, session.ReasonReplay)
}

func oneOfTwoIsLeft(t *testing.T, store Durable) {
	for _, name := range []string{"alice", "bob", "carol", "dave"} { // the race is not the same each time
		owner := createUser(t, store, name)
		pair := []session.Session{startSession(t, store, owner.ID), startSession(t, store, owner.ID)}
		contend(t, func(ctx context.Context, i int) error {
			mine, other := pair[i%2], pair[1-i%2]
			if i%4 < 2 {
				return drop(store.RevokeOthers(ctx, owner.ID, mine.ID, session.ReasonElsewhere, about(audit.SessionRevoked, owner.ID)))
			}
			return drop(store.RevokeOther(ctx, other.ID, mine.ID, session.ReasonElsewhere, aboutSession(audit.SessionRevoked, other.ID)))
		})
		if live := listSessions(t, store, session.Query{UserID: owner.ID, Live: session.LiveOnly, Limit: 9}); len(live) != 1 {
			t.Errorf("%d sessions of %s are live, want 1", len(live), name)
		}
	}
}

func oneOfEachTwoIsLeft(t *testing.T, store Durable) {
	owner := createUser(t, store, "alice")
	sessions := make([]session.Session, contenders)
	for i := range sessions {
		sessions[i] = startSession(t, store, owner.ID)
	}
	contend(t, func(ctx context.Context, i int) error {
		other := sessions[i^1].ID
		return drop(store.RevokeOther(ctx, other, sessions[i].ID, session.ReasonElsewhere, aboutSession(audit.SessionRevoked, other)))
	})
	if live := listSessions(t, store, session.Query{UserID: owner.ID, Live: session.LiveOnly, Limit: 1000}); len(live) != contenders/2 {
		t.Errorf("%d sessions are live, want %d", len(live), contenders/2)
	}
}

func revokeOthersKeepsOne(t *testing.T, store Durable) {
	alice, bob := createUser(t, store, "alice"), createUser(t, store, "bob")
	ended, first, kept, second := startSession(t, store, alice.ID), startSession(t, store, alice.ID), startSession(t, store, alice.ID), startSession(t, store, alice.ID)
	bobs := startSession(t, store, bob.ID)
	if err := drop(store.RevokeSession(t.Context(), ended.ID, session.ReasonLogout, aboutSession(audit.SessionRevoked, ended.ID))); err != nil {
		t.Fatal(err)
	}
	before := findSession(t, store, ended.ID)
	event := about(audit.SessionRevoked, alice.ID)
	event.RequestID = "the request"
	for _, want := range []int{2, 0} { // the second time there is nobody left
		got, err := store.RevokeOthers(t.Context(), alice.ID, kept.ID, session.ReasonElsewhere, event)
		if err != nil || len(got) != want {
			t.Fatalf("ended %v, %v; want %d", got, err, want)
		}
	}
	for _, s := range []session.Session{first, second} {
		wantEnded(t, store, s, session.ReasonElsewhere)
		wantEvents(t, store, audit.Query{SessionID: s.ID}, audit.SessionStarted, audit.SessionRevoked)
		told := listEvents(t, store, audit.Query{SessionID: s.ID, Limit: 1})[0]
		want := event
		want.ID, want.At, want.SessionID, want.ClientID = told.ID, told.At, s.ID, s.ClientID
		if diff := cmp.Diff(told, want); diff != "" {
			t.Errorf("event (-got +want):\n%s", diff)
		}
	}
	if diff := cmp.Diff(findSession(t, store, ended.ID), before); diff != "" {
		t.Errorf("the one that had ended (-got +want):\n%s", diff)
	}
	wantLive(t, store, kept)
	wantLive(t, store, bobs)
	wantEvents(t, store, audit.Query{SessionID: kept.ID}, audit.SessionStarted)
	if got := findUser(t, store, alice.ID); !got.SessionsValidAfter.Equal(alice.SessionsValidAfter) {
		t.Error("the boundary moved, which would end the session that was kept")
	}
}

func revokeOthersNeedsALiveSession(t *testing.T, store Durable) {
	alice, bob := createUser(t, store, "alice"), createUser(t, store, "bob")
	live, ended, bobs := startSession(t, store, alice.ID), startSession(t, store, alice.ID), startSession(t, store, bob.ID)
	if err := drop(store.RevokeSession(t.Context(), ended.ID, session.ReasonReplay, aboutSession(audit.SessionReplayed, ended.ID))); err != nil {
		t.Fatal(err)
	}
	for _, keep := range append(notIDs, unknownID, strings.ToUpper(live.ID), ended.ID, bobs.ID) {
		err := drop(store.RevokeOthers(t.Context(), alice.ID, keep, session.ReasonElsewhere, about(audit.SessionRevoked, alice.ID)))
		wantError(t, "keep "+keep, err, session.ErrNotFound)
	}
	for _, userID := range append(notIDs, unknownID) {
		err := drop(store.RevokeOthers(t.Context(), userID, live.ID, session.ReasonElsewhere, about(audit.SessionRevoked, alice.ID)))
		wantError(t, "others of "+userID, err, session.ErrNotFound)
	}
	wantLive(t, store, live)
	wantLive(t, store, bobs)
}

func oneIsLeft(t *testing.T, store Durable) {
	for _, name := range []string{"alice", "bob", "carol", "dave"} { // the race is not the same each time
		oneOfUserIsLeft(t, store, createUser(t, store, name))
	}
}

func oneOfUserIsLeft(t *testing.T, store Durable, alice user.User) {
	t.Helper()
	sessions := make([]session.Session, contenders)
	for i := range sessions {
		sessions[i] = startSession(t, store, alice.ID)
	}
	outcomes := contend(t, func(ctx context.Context, i int) error {
		return drop(store.RevokeOthers(ctx, alice.ID, sessions[i].ID, session.ReasonElsewhere, about(audit.SessionRevoked, alice.ID)))
	})
	won := 0
	for i, err := range outcomes {
		switch {
		case err == nil:
			won++
			wantLive(t, store, sessions[i])
		case !errors.Is(err, session.ErrNotFound):
			t.Errorf("contender %d: %v", i, err)
		}
	}
	if live := listSessions(t, store, session.Query{UserID: alice.ID, Live: session.LiveOnly, Limit: 1000}); won != 1 || len(live) != 1 {
		t.Errorf("%d ended the others and %d are live, want 1", won, len(live))
	}
}

func revokeAllEndsEverySession(t *testing.T, store Durable) {
	alice, bob := createUser(t, store, "alice"), createUser(t, store, "bob")
	first, second, bobs := startSession(t, store, alice.ID), startSession(t, store, alice.ID), startSession(t, store, bob.ID)
	if err := store.RevokeAll(t.Context(), alice.ID, session.ReasonOperator, about(audit.UserSessionsEnded, alice.ID)); err != nil {
		t.Fatal(err)
	}
	wantEnded(t, store, first, session.ReasonOperator)
	wantEnded(t, store, second, session.ReasonOperator)
	wantLive(t, store, bobs)
	wantEvents(t, store, audit.Query{UserID: alice.ID}, audit.UserCreated, audit.UserSessionsEnded)
	stale := newSession(alice.ID) // of a password that was checked before
	err := drop(store.StartSession(t.Context(), stale, session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter}, aboutSession(audit.SessionStarted, stale.ID)))
	wantError(t, "a login that raced", err, session.ErrUserChanged)
	wantLive(t, store, startSession(t, store, alice.ID))
	for _, id := range append(notIDs, unknownID) {
		err := store.RevokeAll(t.Context(), id, session.ReasonOperator, about(audit.UserSessionsEnded, id))
		wantError(t, "all of "+id, err, session.ErrNotFound)
	}
}

func noSessionSurvivesRevokeAll(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	outcomes := contend(t, func(ctx context.Context, i int) error {
		if i == contenders/2 {
			return store.RevokeAll(ctx, alice.ID, session.ReasonOperator, about(audit.UserSessionsEnded, alice.ID))
		}
		x := newSession(alice.ID)
		return drop(store.StartSession(ctx, x, session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter}, aboutSession(audit.SessionStarted, x.ID)))
	})
	for i, err := range outcomes {
		if err != nil && !errors.Is(err, session.ErrUserChanged) {
			t.Errorf("contender %d: %v", i, err)
		}
	}
	wantNoLiveSession(t, store, alice.ID)
}
