package storetest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// revocationSaysWhatItStored: the other replicas hear of it before they can read it. It says
// the same of a session that was revoked before.
func revocationSaysWhatItStored(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	one, two, three, four := startSession(t, store, alice.ID), startSession(t, store, alice.ID), startSession(t, store, alice.ID), startSession(t, store, alice.ID)
	for _, before := range []bool{false, true} {
		ended, err := store.RevokeSession(t.Context(), one.ID, session.ReasonLogout, aboutSession(audit.SessionRevoked, one.ID))
		wantError(t, "revoke", err, nil)
		wantSaid(t, store, before, []session.Ended{ended}, one)
		ended, err = store.RevokeOther(t.Context(), two.ID, four.ID, session.ReasonElsewhere, aboutSession(audit.SessionRevoked, two.ID))
		wantError(t, "revoke other", err, nil)
		wantSaid(t, store, before, []session.Ended{ended}, two)
	}
	five := startSession(t, store, alice.ID)
	others, err := store.RevokeOthers(t.Context(), alice.ID, four.ID, session.ReasonElsewhere, about(audit.SessionRevoked, alice.ID))
	wantError(t, "revoke others", err, nil)
	wantSaid(t, store, false, others, three, five)
}

// wantSaid compares with what is stored of these sessions, in any order.
func wantSaid(t *testing.T, store Durable, before bool, got []session.Ended, sessions ...session.Session) {
	t.Helper()
	var want []session.Ended
	for _, s := range sessions {
		stored := findSession(t, store, s.ID)
		want = append(want, session.Ended{Before: before, At: stored.RevokedAt, StatusIndex: stored.StatusIndex})
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

// revocationIsNoOlderThanItsEvent: the database's clock may be far behind.
func revocationIsNoOlderThanItsEvent(t *testing.T, store Clocked) {
	alice := createUser(t, store, "alice")
	for name, revoke := range map[string]func(s, other session.Session, event audit.Event) error{
		"RevokeSession": func(s, _ session.Session, event audit.Event) error {
			return drop(store.RevokeSession(t.Context(), s.ID, session.ReasonLogout, event))
		},
		"RevokeOther": func(s, other session.Session, event audit.Event) error {
			return drop(store.RevokeOther(t.Context(), s.ID, other.ID, session.ReasonElsewhere, event))
		},
		"RevokeOthers": func(_, other session.Session, event audit.Event) error {
			return drop(store.RevokeOthers(t.Context(), alice.ID, other.ID, session.ReasonElsewhere, event))
		},
	} {
		for _, ahead := range []time.Duration{-time.Hour, 0, tick, 31 * 24 * time.Hour} {
			s, other := startSession(t, store, alice.ID), startSession(t, store, alice.ID)
			event := about(audit.SessionRevoked, alice.ID)
			event.At = clockStart.Add(ahead)
			wantError(t, name, revoke(s, other, event), nil)
			wantTime(t, name+" with an event "+ahead.String()+" ahead", findSession(t, store, s.ID).RevokedAt, clockStart.Add(max(0, ahead)))
		}
	}
}

// sessionStartsAtTheReliableTime where the store's clock is far from it, and never before Seen; it
// ends a lifetime later, whatever Seen is.
func sessionStartsAtTheReliableTime(t *testing.T, store Clocked) {
	alice := createUser(t, store, "alice")
	for _, c := range []struct{ ahead, want time.Duration }{
		{0, 0}, {clock.Tolerance, 0}, {clock.Tolerance + tick, clock.Tolerance + tick}, {31 * 24 * time.Hour, 31 * 24 * time.Hour},
		{-clock.Tolerance, 0}, {-clock.Tolerance - tick, -clock.Tolerance - tick},
	} {
		x := newSession(alice.ID)
		terms := session.Terms{Lifetime: lifetime, Seen: alice.SessionsValidAfter, Start: clockStart.Add(c.ahead)}
		s, err := store.StartSession(t.Context(), x, terms, aboutSession(audit.SessionStarted, x.ID))
		wantError(t, "start", err, nil)
		created := later(clockStart.Add(c.want), alice.SessionsValidAfter)
		for _, got := range []session.Session{s, findSession(t, store, x.ID)} {
			wantTime(t, c.ahead.String()+": created", got.CreatedAt, created)
			wantTime(t, c.ahead.String()+": last seen", got.LastSeenAt, created)
			wantTime(t, c.ahead.String()+": its end", got.AbsoluteExpiry, clockStart.Add(c.want).Add(lifetime))
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
