package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// unendedSessionsAreOfOneUserAndClient: those that are not revoked, also those that have expired.
func unendedSessionsAreOfOneUserAndClient(t *testing.T, store Durable) {
	alice, bob := createUser(t, store, "alice"), createUser(t, store, "bob")
	expired := startSessionUnder(t, store, newSession(alice.ID), session.Terms{Lifetime: time.Microsecond, Seen: alice.SessionsValidAfter})
	live, ended := startSession(t, store, alice.ID), startSession(t, store, alice.ID)
	startSession(t, store, bob.ID)
	wantError(t, "revoke", drop(store.RevokeSession(t.Context(), ended.ID, session.ReasonLimit, aboutSession(audit.SessionRevoked, ended.ID))), nil)
	read := func(userID, clientID string, limit int) []string {
		t.Helper()
		sessions, err := store.UnendedSessions(t.Context(), userID, clientID, limit)
		wantError(t, "list", err, nil)
		var ids []string
		for _, s := range sessions {
			if diff := cmp.Diff(s, findSession(t, store, s.ID)); diff != "" {
				t.Errorf("session (-got +want):\n%s", diff)
			}
			ids = append(ids, s.ID)
		}
		slices.Sort(ids)
		return ids
	}
	want := []string{expired.ID, live.ID}
	slices.Sort(want)
	if diff := cmp.Diff(read(alice.ID, live.ClientID, 10), want); diff != "" {
		t.Errorf("unended (-got +want):\n%s", diff)
	}
	if got := read(alice.ID, live.ClientID, 1); len(got) != 1 {
		t.Errorf("%d sessions within a limit of 1", len(got))
	}
	for _, nobody := range [][2]string{{alice.ID, "another"}, {unknownID, live.ClientID}, {"garbage", live.ClientID}} {
		if got := read(nobody[0], nobody[1], 10); len(got) > 0 {
			t.Errorf("sessions of %q: %v", nobody, got)
		}
	}
}
