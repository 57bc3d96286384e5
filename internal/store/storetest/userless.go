package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// sessionMayBeWithoutUser, as a later version makes them for machines: they are listed,
// noted and ended like others, and no user ends them.
func sessionMayBeWithoutUser(t *testing.T, store Clocked) {
	store.Userless(t)
	alice := createUser(t, store, "alice")
	hers, one, two := startSession(t, store, alice.ID), startSession(t, store, alice.ID), startSession(t, store, alice.ID)
	store.Execute(t, `UPDATE sessions SET user_id = NULL WHERE id IN ('`+one.ID+`', '`+two.ID+`')`)
	event := func() audit.Event { return aboutSession(audit.SessionRevoked, one.ID) }

	wantError(t, "end by another", drop(store.RevokeOther(t.Context(), one.ID, two.ID, session.ReasonElsewhere, event())), session.ErrNotFound)
	wantError(t, "end by a user's", drop(store.RevokeOther(t.Context(), one.ID, hers.ID, session.ReasonElsewhere, event())), session.ErrNotFound)
	if ended, err := store.RevokeOthers(t.Context(), alice.ID, hers.ID, session.ReasonElsewhere, event()); len(ended) > 0 || err != nil {
		t.Errorf("ended %v, %v", ended, err)
	}
	if err := store.DisableUser(t.Context(), alice.ID, about(audit.UserDisabled, alice.ID)); err != nil {
		t.Fatal(err)
	}
	for _, s := range []session.Session{one, two} {
		wantUserless(t, store, s)
	}
	var live []string
	for _, s := range listSessions(t, store, session.Query{Live: session.LiveOnly, Idle: lifetime, Limit: 9}) {
		live = append(live, s.ID)
	}
	if diff := cmp.Diff(live, []string{two.ID, one.ID}); diff != "" {
		t.Errorf("live (-got +want):\n%s", diff)
	}
	if got := listSessions(t, store, session.Query{UserID: alice.ID, Limit: 9}); len(got) != 1 {
		t.Errorf("sessions of the user: %+v, want one", got)
	}
	if err := store.SaveCheckpoints(t.Context(), []session.Checkpoint{{SessionID: one.ID, Generation: 7}}, 0); err != nil {
		t.Fatal(err)
	}
	if got := findSession(t, store, one.ID).Checkpoint; got != 7 {
		t.Errorf("checkpoint %d, want 7", got)
	}
	if index, err := store.AssignStatusIndex(t.Context(), one.ID, session.Terms{}); err != nil || index != *one.StatusIndex {
		t.Errorf("status index %d, %v, want %d", index, err, *one.StatusIndex)
	}

	wantError(t, "end", drop(store.RevokeSession(t.Context(), one.ID, session.ReasonRevoked, event())), nil)
	wantReason(t, store, one, session.ReasonRevoked)
	wantError(t, "disable", store.DisableClient(t.Context(), client.FirstParty, clientEvent(audit.ClientDisabled)), nil)
	wantReason(t, store, two, session.ReasonClient)
	reading, err := store.Revoked(t.Context(), revocation.Page{Within: lifetime, Rows: 9})
	if err != nil || len(reading.Revoked) != 3 {
		t.Errorf("revoked %+v, %v, want three", reading.Revoked, err)
	}
}

// wantUserless wants a session to be live and of nobody.
func wantUserless(t *testing.T, store Durable, s session.Session) {
	t.Helper()
	for name, read := range map[string]func() (session.Standing, error){
		"family": func() (session.Standing, error) { return store.StandingByFamily(t.Context(), s.Family) },
		"id":     func() (session.Standing, error) { return store.StandingByID(t.Context(), s.ID) },
	} {
		got, err := read()
		if err != nil {
			t.Fatalf("standing by %s: %v", name, err)
		}
		if got.UserID != "" || !got.AuthTime.IsZero() || got.Grant().Subject != got.ClientID || got.Username != "" || !got.SessionsValidAfter.IsZero() || !got.UserActive || !got.ClientEnabled || got.Ended() {
			t.Errorf("standing by %s: %+v, want it live and without a user", name, got)
		}
	}
	if got := findSession(t, store, s.ID); got.UserID != "" || got.ID != s.ID {
		t.Errorf("session %+v, want it without a user", got)
	}
}

func wantReason(t *testing.T, store Durable, s session.Session, want string) {
	t.Helper()
	if got, err := store.StandingByID(t.Context(), s.ID); err != nil || !got.Ended() || got.RevokeReason != want {
		t.Errorf("standing %+v, %v, want it ended because of %q", got, err, want)
	}
}
