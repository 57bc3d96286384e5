package storetest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// revocationSaysWhatItStored: the other replicas hear of it before they can read it. It says
// the same of a session that was revoked before.
func revocationSaysWhatItStored(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	one, two, three, four := startSession(t, store, alice.ID), startSession(t, store, alice.ID), startSession(t, store, alice.ID), startSession(t, store, alice.ID)
	for range 2 {
		ended, err := store.RevokeSession(t.Context(), one.ID, session.ReasonLogout, aboutSession(audit.SessionRevoked, one.ID))
		wantError(t, "revoke", err, nil)
		wantSaid(t, store, []session.Ended{ended}, one)
		ended, err = store.RevokeOther(t.Context(), two.ID, four.ID, session.ReasonElsewhere, aboutSession(audit.SessionRevoked, two.ID))
		wantError(t, "revoke other", err, nil)
		wantSaid(t, store, []session.Ended{ended}, two)
	}
	five := startSession(t, store, alice.ID)
	others, err := store.RevokeOthers(t.Context(), alice.ID, four.ID, session.ReasonElsewhere, about(audit.SessionRevoked, alice.ID))
	wantError(t, "revoke others", err, nil)
	wantSaid(t, store, others, three, five)
}

// wantSaid compares with what is stored of these sessions, in any order.
func wantSaid(t *testing.T, store Durable, got []session.Ended, sessions ...session.Session) {
	t.Helper()
	var want []session.Ended
	for _, s := range sessions {
		stored := findSession(t, store, s.ID)
		want = append(want, session.Ended{At: stored.RevokedAt, StatusIndex: stored.StatusIndex})
	}
	for _, list := range [][]session.Ended{got, want} {
		slices.SortFunc(list, func(a, b session.Ended) int { return cmp.Compare(*a.StatusIndex, *b.StatusIndex) })
	}
	if diff := gocmp.Diff(got, want); diff != "" {
		t.Errorf("ended (-got +want):\n%s", diff)
	}
	for _, ended := range got {
		if ended.At.Location() != time.UTC {
			t.Errorf("revoked at %s, want UTC", ended.At)
		}
	}
}
